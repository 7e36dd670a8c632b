// Package local serves command:local:Command and command:local:run.
package local

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"rack/engine/command/shell"
)

// Logging selects the streams that the engine's log shows while a command runs.
type Logging string

func (Logging) Values() []infer.EnumValue[Logging] { return shell.LoggingValues[Logging]() }

// BaseInputs are the inputs that Command and Run have in common.
type BaseInputs struct {
	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`
	AssetPaths             *[]string          `pulumi:"assetPaths,optional"`
	ArchivePaths           *[]string          `pulumi:"archivePaths,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
}

func (in *BaseInputs) Annotate(a infer.Annotator) { a.SetDefault(&in.AddPreviousOutputInEnv, true) }

// BaseOutputs are the output of a command and the files that it created.
type BaseOutputs struct {
	Stdout  string                           `pulumi:"stdout"`
	Stderr  string                           `pulumi:"stderr"`
	Assets  *map[string]types.AssetOrArchive `pulumi:"assets,optional"`
	Archive *types.AssetOrArchive            `pulumi:"archive,optional"`
}

// CommandInputs are the inputs of Command.
type CommandInputs struct {
	BaseInputs
	Triggers *[]any  `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
}

// CommandOutputs are the state of Command.
type CommandOutputs struct {
	CommandInputs
	BaseOutputs
}

// Command runs a command on this machine when it is created, updated and deleted.
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

func (Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandOutputs]) (infer.DeleteResponse, error) {
	if req.State.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	_, err := req.State.run(ctx, *req.State.Delete, req.State.BaseOutputs)
	return infer.DeleteResponse{}, err
}

// RunInputs are the inputs of Run.
type RunInputs struct {
	BaseInputs
	Command string `pulumi:"command"`
}

// RunOutputs are the result of Run.
type RunOutputs struct {
	RunInputs
	BaseOutputs
}

// Run runs a command on this machine whenever the program runs, including previews.
type Run struct{}

func (Run) Invoke(
	ctx context.Context, req infer.FunctionRequest[RunInputs],
) (infer.FunctionResponse[RunOutputs], error) {
	out, err := req.Input.run(ctx, req.Input.Command, BaseOutputs{})
	return infer.FunctionResponse[RunOutputs]{Output: RunOutputs{RunInputs: req.Input, BaseOutputs: out}}, err
}
