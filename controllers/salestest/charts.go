package salestest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// ChartArchive is a chart of one template as `helm package` makes it. defaults is its values.yaml.
func ChartArchive(t *testing.T, name, version, tmpl, defaults string) []byte {
	t.Helper()
	c := &chart.Chart{
		Metadata:  &chart.Metadata{APIVersion: chart.APIVersionV2, Name: name, Version: version},
		Templates: []*common.File{{Name: "templates/all.yaml", Data: []byte(tmpl)}},
		Raw:       []*common.File{{Name: chartutil.ValuesfileName, Data: []byte(defaults)}},
	}
	folder := t.TempDir()
	path, err := chartutil.Save(c, folder)
	if err != nil {
		t.Fatal(err)
	}
	data, err := fs.ReadFile(os.DirFS(folder), filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
