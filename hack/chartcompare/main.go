// Command chartcompare renders charts through Stallkeeper's engine and through Helm's own library, with the same values, and compares
// the objects:
//
//	go run ./hack/chartcompare [-values FOLDER] FOLDER
//
// FOLDER holds chart archives (.tgz) or charts as folders, at any depth. FOLDER of -values may have NAME.yaml with values for the chart
// NAME; without them a chart is rendered with its own. It prints a table in Markdown: chart, version, and same or why not.
//
// Both sides get the same time for now, the same version of Kubernetes and the same APIs. A field that Helm itself renders differently
// a second time is random; of it only its place is compared, and that Stallkeeper renders it alike a second time. What is no
// difference to the API server is none here: a field without a value and the field left out. Hooks of deletion, rollback and test are left
// out on both sides, and the time to live of a hook's Job, which Stallkeeper leaves to the hook's delete policy.
package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

func main() {
	values := flag.String("values", "", "a folder with NAME.yaml for charts that need values")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: chartcompare [-values FOLDER] FOLDER")
		os.Exit(2)
	}
	if err := run(os.Stdout, flag.Arg(0), *values); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// run prints the table of a folder's charts and what they come to.
func run(to io.Writer, folder, values string) error {
	found, err := charts(folder)
	if err != nil {
		return err
	}
	fmt.Fprintln(to, "| chart | version | result |\n|---|---|---|")
	counts := map[Verdict]int{}
	for _, archive := range found {
		row := compareFile(archive, values)
		counts[row.Verdict]++
		fmt.Fprintf(to, "| %s | %s | %s |\n", row.Chart, row.Version, row.text())
	}
	fmt.Fprintf(to, "\n%d charts", len(found))
	for _, verdict := range []Verdict{Same, Differs, Refused, HelmRefuses, Unreadable} {
		fmt.Fprintf(to, ", %d %s", counts[verdict], verdict)
	}
	fmt.Fprintln(to)
	return nil
}

// charts are the archives and the folders of charts below a folder; charts inside of charts belong to those.
func charts(folder string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "Chart.yaml")); err == nil {
				found = append(found, path)
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".tgz") {
			found = append(found, path)
		}
		return nil
	})
	slices.Sort(found)
	return found, err
}

// row is one chart's line in the table.
type row struct {
	Chart, Version string
	Result
}

func (r row) text() string {
	if r.Why == "" {
		return string(r.Verdict)
	}
	return string(r.Verdict) + ": " + strings.ReplaceAll(strings.Join(strings.Fields(r.Why), " "), "|", "\\|")
}

// compareFile compares an archive, or a folder that is packed first.
func compareFile(path, values string) row {
	name := strings.TrimSuffix(filepath.Base(path), ".tgz")
	archive, err := packed(path)
	if err != nil {
		return row{Chart: name, Result: Result{Unreadable, err.Error()}}
	}
	ch, err := loadArchive(archive)
	if err != nil {
		return row{Chart: name, Result: Result{Unreadable, err.Error()}}
	}
	var own []byte
	if values != "" {
		own, err = os.ReadFile(filepath.Join(values, ch.Name()+".yaml"))
		if err != nil && !os.IsNotExist(err) {
			return row{Chart: name, Result: Result{Unreadable, err.Error()}}
		}
	}
	return row{Chart: ch.Name(), Version: ch.Metadata.Version, Result: Compare(archive, own)}
}

// packed is an archive's content.
func packed(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return os.ReadFile(path)
	}
	ch, err := loader.LoadDir(path)
	if err != nil {
		return nil, err
	}
	into, err := os.MkdirTemp("", "chartcompare")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(into) }()
	saved, err := chartutil.Save(ch, into)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(saved)
}
