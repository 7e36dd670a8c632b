package local

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gobwas/glob"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// collect sets the outputs assets and archive to the files that match the globs of the inputs.
func (in BaseInputs) collect(out *BaseOutputs) error {
	if in.AssetPaths != nil {
		assets, err := match(in.dir(), *in.AssetPaths)
		if err != nil {
			return err
		}
		out.Assets = &map[string]types.AssetOrArchive{}
		for path, asset := range assets {
			(*out.Assets)[path] = types.AssetOrArchive{Asset: asset}
		}
	}
	if in.ArchivePaths != nil {
		files, err := match(in.dir(), *in.ArchivePaths)
		if err != nil {
			return err
		}
		members := map[string]any{}
		for path, asset := range files {
			members[path] = asset
		}
		archive, err := resource.NewAssetArchive(members)
		out.Archive = &types.AssetOrArchive{Archive: archive}
		return err
	}
	return nil
}

// match returns the files below dir that match the patterns, keyed by their path relative to dir. The patterns apply in
// order; a pattern that starts with "!" removes files that earlier patterns added.
func match(dir string, patterns []string) (map[string]*resource.Asset, error) {
	found := map[string]*resource.Asset{}
	files, err := filesBelow(dir)
	if err != nil {
		return nil, err
	}
	for _, pattern := range patterns {
		plain, exclude := strings.CutPrefix(pattern, "!")
		matcher, err := glob.Compile(plain, '/')
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if !matcher.Match(file) {
				continue
			}
			if exclude {
				delete(found, file)
			} else if found[file], err = resource.NewPathAsset(filepath.Join(dir, file)); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func filesBelow(dir string) (files []string, err error) {
	err = fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	})
	return files, err
}
