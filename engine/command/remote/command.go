// Package remote serves command:remote:Command, CopyToRemote and CopyFile: work on other hosts, over SSH.
package remote

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"rack/engine/command/shell"
)

// Logging selects the streams that the engine's log shows while a command runs.
type Logging string

func (Logging) Values() []infer.EnumValue[Logging] { return shell.LoggingValues[Logging]() }

// CommandInputs are the inputs of Command.
type CommandInputs struct {
	Connection             Connection         `pulumi:"connection" provider:"secret"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
	Triggers               *[]any             `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create                 *string            `pulumi:"create,optional"`
	Update                 *string            `pulumi:"update,optional"`
	Delete                 *string            `pulumi:"delete,optional"`
}

func (in *CommandInputs) Annotate(a infer.Annotator) { a.SetDefault(&in.AddPreviousOutputInEnv, true) }

// BaseOutputs are the output of a command.
type BaseOutputs struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// CommandOutputs are the state of Command.
type CommandOutputs struct {
	CommandInputs
	BaseOutputs
}

// Command runs a command on a host when it is created, updated and deleted.
//
// It has no WireDependencies, as upstream has none: a secret stdin or create does not make stdout and stderr secret
// (the program says so by additionalSecretOutputs), and in the preview of a change both are unknown.
type Command struct{}

func (Command) Create(
	ctx context.Context, req infer.CreateRequest[CommandInputs],
) (infer.CreateResponse[CommandOutputs], error) {
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	out := CommandOutputs{CommandInputs: req.Inputs}
	if err == nil && !req.DryRun && req.Inputs.Create != nil {
		out.BaseOutputs, err = req.Inputs.run(ctx, *req.Inputs.Create, BaseOutputs{})
	}
	return infer.CreateResponse[CommandOutputs]{ID: id, Output: out}, err
}

func (Command) Update(
	ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandOutputs],
) (infer.UpdateResponse[CommandOutputs], error) {
	out := CommandOutputs{CommandInputs: req.Inputs, BaseOutputs: req.State.BaseOutputs}
	var err error
	if command := shell.OnUpdate(req.Inputs.Update, req.Inputs.Create); command != nil && !req.DryRun {
		out.BaseOutputs, err = req.Inputs.run(ctx, *command, req.State.BaseOutputs)
	}
	return infer.UpdateResponse[CommandOutputs]{Output: out}, err
}

// Delete runs over the connection in the state, that is, over the old one if it was changed.
func (Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandOutputs]) (infer.DeleteResponse, error) {
	if req.State.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	_, err := req.State.run(ctx, *req.State.Delete, req.State.BaseOutputs)
	return infer.DeleteResponse{}, err
}
