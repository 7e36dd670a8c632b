package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pkg/sftp"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// CopyToRemoteInputs are the inputs, and the state, of CopyToRemote.
type CopyToRemoteInputs struct {
	Connection Connection           `pulumi:"connection" provider:"secret"`
	Triggers   *[]any               `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Source     types.AssetOrArchive `pulumi:"source"`
	RemotePath string               `pulumi:"remotePath"`
}

// CopyToRemote copies a file or a directory to a host. It never deletes files on the host.
type CopyToRemote struct{}

// Check rejects sources other than a file, a directory or a text.
func (CopyToRemote) Check(
	ctx context.Context, req infer.CheckRequest,
) (infer.CheckResponse[CopyToRemoteInputs], error) {
	in, failures, err := infer.DefaultCheck[CopyToRemoteInputs](ctx, req.NewInputs)
	source, known := in.Source, !req.NewInputs.Get("source").HasComputed()
	if known && !(source.Asset != nil && (source.Asset.IsPath() || source.Asset.IsText())) &&
		!(source.Archive != nil && source.Archive.IsPath()) {
		failures = append(failures, p.CheckFailure{
			Property: "source", Reason: "must be a FileAsset, a StringAsset or a FileArchive",
		})
	}
	return infer.CheckResponse[CopyToRemoteInputs]{Inputs: in, Failures: failures}, err
}

func (CopyToRemote) Create(
	ctx context.Context, req infer.CreateRequest[CopyToRemoteInputs],
) (infer.CreateResponse[CopyToRemoteInputs], error) {
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err == nil && !req.DryRun {
		err = req.Inputs.copy(ctx)
	}
	return infer.CreateResponse[CopyToRemoteInputs]{ID: id, Output: req.Inputs}, err
}

// Update copies again if the content or the path changed, but not if only the connection changed.
func (CopyToRemote) Update(
	ctx context.Context, req infer.UpdateRequest[CopyToRemoteInputs, CopyToRemoteInputs],
) (infer.UpdateResponse[CopyToRemoteInputs], error) {
	var err error
	changed := req.Inputs.hash() != req.State.hash() || req.Inputs.RemotePath != req.State.RemotePath
	if changed && !req.DryRun {
		err = req.Inputs.copy(ctx)
	}
	return infer.UpdateResponse[CopyToRemoteInputs]{Output: req.Inputs}, err
}

func (in CopyToRemoteInputs) hash() string {
	if in.Source.Archive != nil {
		return in.Source.Archive.Hash
	}
	return in.Source.Asset.Hash
}

func (in CopyToRemoteInputs) copy(ctx context.Context) error {
	return in.Connection.transfer(ctx, func(files *sftp.Client) error {
		switch asset := in.Source.Asset; {
		case in.Source.Archive != nil:
			return put(files, in.Source.Archive.Path, in.RemotePath)
		case asset.IsText():
			return write(files, strings.NewReader(asset.Text), in.RemotePath)
		default:
			return put(files, asset.Path, in.RemotePath)
		}
	})
}

// CopyFileInputs are the inputs, and the state, of CopyFile.
type CopyFileInputs struct {
	Connection Connection `pulumi:"connection" provider:"secret"`
	Triggers   *[]any     `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	LocalPath  string     `pulumi:"localPath"`
	RemotePath string     `pulumi:"remotePath"`
}

// CopyFile is the deprecated predecessor of CopyToRemote. It has no update; each change replaces it.
type CopyFile struct{}

func (CopyFile) Create(
	ctx context.Context, req infer.CreateRequest[CopyFileInputs],
) (infer.CreateResponse[CopyFileInputs], error) {
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err == nil && !req.DryRun {
		err = req.Inputs.Connection.transfer(ctx, func(files *sftp.Client) error {
			return put(files, req.Inputs.LocalPath, req.Inputs.RemotePath)
		})
	}
	return infer.CreateResponse[CopyFileInputs]{ID: id, Output: req.Inputs}, err
}

// transfer opens SFTP over a connection of its own.
func (c Connection) transfer(ctx context.Context, work func(*sftp.Client) error) error {
	client, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	files, err := sftp.NewClient(client, sftp.UseConcurrentWrites(true))
	if err != nil {
		return err
	}
	defer files.Close()
	return work(files)
}

// put copies a file or a directory. As upstream, the result depends on the target:
//
//	source | target is a directory | target does not exist | target is a file
//	-------+-----------------------+-----------------------+-----------------
//	dir    | target/dir            | target/dir            | error
//	dir/   | target/<its files>    | target/<its files>    | error
//	file   | target/file           | target                | target
func put(files *sftp.Client, source, target string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if there, err := files.Stat(target); err == nil && there.IsDir() {
			target = path.Join(target, filepath.Base(source))
		}
		return putFile(files, source, target)
	}
	if err := makeFolder(files, target); err != nil {
		return err
	}
	if !strings.HasSuffix(source, "/") {
		target = path.Join(target, filepath.Base(source))
	}
	return fs.WalkDir(os.DirFS(source), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return makeFolder(files, path.Join(target, name))
		default:
			return putFile(files, filepath.Join(source, name), path.Join(target, name))
		}
	})
}

func putFile(files *sftp.Client, source, target string) error {
	local, err := os.Open(source)
	if err != nil {
		return err
	}
	defer local.Close()
	return write(files, local, target)
}

func write(files *sftp.Client, content io.Reader, target string) error {
	remote, err := files.Create(target)
	if err != nil {
		return fmt.Errorf("create %s: %w", target, err)
	}
	_, err = remote.ReadFrom(content)
	if err = errors.Join(err, remote.Close()); err != nil {
		return fmt.Errorf("write %s: %w", target, err)
	}
	return nil
}

// makeFolder creates one directory, but not its parents, unless it exists.
func makeFolder(files *sftp.Client, target string) error {
	there, err := files.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = files.Mkdir(target)
	case err == nil && !there.IsDir():
		err = fs.ErrExist
	}
	if err != nil {
		return fmt.Errorf("create directory %s: %w", target, err)
	}
	return nil
}
