package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Image is what an archive is made from.
type Image struct {
	Name       string            // with the tag, such as registry.example.com/pause:1
	Files      map[string]string // path in the image, without a leading slash → path of a file of this machine
	Links      map[string]string // path in the image → what the symbolic link there says
	Entrypoint []string
	User       string // such as 65532:65532; root when empty
}

// config is the part of an image's configuration that a container runtime needs.
type config struct {
	Architecture string          `json:"architecture"`
	OS           string          `json:"os"`
	Config       containerConfig `json:"config"`
	RootFS       rootFS          `json:"rootfs"`
}

type containerConfig struct {
	Entrypoint []string `json:"Entrypoint,omitempty"`
	User       string   `json:"User,omitempty"`
	Env        []string `json:"Env"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// manifest lists what an archive holds.
type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Write makes the archive at path.
func (i Image) Write(path string) error {
	layer, err := i.layer()
	if err != nil {
		return fmt.Errorf("packing the files of %s: %w", i.Name, err)
	}
	configuration, err := json.Marshal(config{
		Architecture: runtime.GOARCH, OS: "linux",
		Config: containerConfig{Entrypoint: i.Entrypoint, User: i.User, Env: []string{"PATH=/bin"}},
		RootFS: rootFS{Type: "layers", DiffIDs: []string{"sha256:" + digest(layer)}},
	})
	if err != nil {
		return fmt.Errorf("describing %s: %w", i.Name, err)
	}
	configName, layerName := digest(configuration)+".json", digest(layer)+".tar"
	listing, err := json.Marshal([]manifest{{Config: configName, RepoTags: []string{i.Name}, Layers: []string{layerName}}})
	if err != nil {
		return fmt.Errorf("describing %s: %w", i.Name, err)
	}
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	err = errors.Join(
		add(writer, layerName, 0o644, layer), add(writer, configName, 0o644, configuration), add(writer, "manifest.json", 0o644, listing),
		writer.Close())
	if err == nil {
		err = os.WriteFile(path, archive.Bytes(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing the archive of %s: %w", i.Name, err)
	}
	return nil
}

// layer is a tar of the files, with the folders that they are in.
func (i Image) layer() ([]byte, error) {
	var layer bytes.Buffer
	writer := tar.NewWriter(&layer)
	names := make([]string, 0, len(i.Files)+len(i.Links))
	for name := range i.Files {
		names = append(names, name)
	}
	for name := range i.Links {
		names = append(names, name)
	}
	slices.Sort(names)
	made := map[string]bool{}
	for _, name := range names {
		if err := addFolders(writer, path.Dir(name), made); err != nil {
			return nil, err
		}
		if err := i.addEntry(writer, name); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return layer.Bytes(), nil
}

func (i Image) addEntry(writer *tar.Writer, name string) error {
	if target, isLink := i.Links[name]; isLink {
		return writer.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777, ModTime: time.Unix(0, 0)})
	}
	content, err := os.ReadFile(i.Files[name])
	if err != nil {
		return err
	}
	return add(writer, name, 0o755, content)
}

func addFolders(writer *tar.Writer, folder string, made map[string]bool) error {
	if folder == "." || made[folder] {
		return nil
	}
	if parent, _, nested := cutLast(folder); nested {
		if err := addFolders(writer, parent, made); err != nil {
			return err
		}
	}
	made[folder] = true
	return writer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: time.Unix(0, 0)})
}

func cutLast(name string) (parent, last string, nested bool) {
	at := strings.LastIndexByte(name, '/')
	if at < 0 {
		return "", name, false
	}
	return name[:at], name[at+1:], true
}

func add(writer *tar.Writer, name string, mode int64, content []byte) error {
	err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: time.Unix(0, 0)})
	if err != nil {
		return err
	}
	_, err = writer.Write(content)
	return err
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
