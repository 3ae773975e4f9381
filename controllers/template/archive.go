package template

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxArchiveDepth is how deep archives may lie inside archives (charts/*.tgz).
const maxArchiveDepth = 5

// checkUnpackedSize reads through an archive and the archives inside it, and keeps nothing but those. Helm's loader has a
// limit of 100 MiB for each archive, which a small archive of archives can reach hundreds of times.
func checkUnpackedSize(archive []byte) error {
	left := int64(maxUnpackedBytes)
	return measure(archive, &left, 0)
}

// measure takes the unpacked size of one archive from left.
func measure(archive []byte, left *int64, depth int) error {
	if depth > maxArchiveDepth {
		return fmt.Errorf("%w: archives lie more than %d deep in each other", ErrChartTooLarge, maxArchiveDepth)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return fmt.Errorf("not a gzip archive: %w", err)
	}
	// The stream is limited too: an archive of empty files has headers only.
	stream := &limited{from: unzipped, left: left}
	files := tar.NewReader(stream)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("not a tar archive: %w", err)
		}
		if !strings.HasSuffix(header.Name, ".tgz") {
			// Read instead of skipped: a sparse file has far more content than the stream has bytes.
			_, err = io.Copy(io.Discard, &limited{from: files, left: left})
		} else {
			var inner bytes.Buffer
			if _, err = io.Copy(&inner, &limited{from: files, left: left}); err == nil && isDependency(header.Name) {
				err = measure(inner.Bytes(), left, depth+1)
			}
		}
		if err != nil {
			return err
		}
	}
}

// isDependency says whether Helm's loader unpacks the file: chart/charts/name.tgz.
func isDependency(name string) bool {
	parts := strings.Split(strings.ReplaceAll(name, `\`, "/"), "/")
	return len(parts) >= 3 && parts[len(parts)-2] == "charts" && strings.IndexAny(parts[len(parts)-1], "_.") != 0
}

// limited is a reader that fails, instead of ending, when more is read than is left.
type limited struct {
	from io.Reader
	left *int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	*l.left -= int64(n)
	if *l.left < 0 {
		return 0, fmt.Errorf("%w: it unpacks to more than %d MiB", ErrChartTooLarge, maxUnpackedBytes>>20)
	}
	return n, err
}
