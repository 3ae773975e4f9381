package template

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatCanBeParsed(t *testing.T) {
	for name, tc := range map[string]struct {
		src  Source
		want string
	}{
		"a chart":                        {Source{Chart: chartOf(t, files{})}, ""},
		"inline text":                    {Source{Inline: "a: 1"}, ""},
		"nothing":                        {Source{}, "a template needs a chart, inline text or files"},
		"blank text":                     {Source{Inline: " \n"}, "a template needs a chart, inline text or files"},
		"both":                           {Source{Inline: "a: 1", Chart: []byte("x")}, "exactly one of"},
		"no archive":                     {Source{Chart: []byte("hello")}, "not a gzip archive"},
		"no tar inside":                  {Source{Chart: zipped(t, []byte(strings.Repeat("x", 2000)))}, "not a tar archive"},
		"a chart without Chart.yaml":     {Source{Chart: chartOf(t, files{"Chart.yaml": " "})}, "loading the chart"},
		"a library":                      {Source{Chart: chartOf(t, files{"Chart.yaml": chartYAML + "type: library\n"})}, `of type "library"; only an application`},
		"a chart of a later Helm":        {Source{Chart: chartOf(t, files{"Chart.yaml": strings.Replace(chartYAML, "v2", "v3", 1)})}, "v1 and v2 are supported"},
		"a chart of the old form":        {Source{Chart: chartOf(t, files{"Chart.yaml": strings.Replace(chartYAML, "v2", "v1", 1)})}, ""},
		"a dependency that is not there": {Source{Chart: chartOf(t, files{"Chart.yaml": chartYAML + "dependencies: [{name: db, version: 1.x.x}]\n"})}, "not in charts/: db; run `helm dependency build`"},
		"an empty dependency":            {Source{Chart: chartOf(t, files{"Chart.yaml": chartYAML + "dependencies: [null]\n"})}, "loading the chart"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(tc.src)
			checkError(t, err, tc.want)
		})
	}
}

func TestTooLarge(t *testing.T) {
	bomb := chartOf(t, files{"zeros": strings.Repeat("\x00", maxUnpackedBytes+1)})
	third := chartOf(t, files{"zeros": strings.Repeat("\x00", maxUnpackedBytes/3)})
	nest := third
	for range maxArchiveDepth + 1 {
		nest = chartOf(t, files{"charts/n.tgz": string(nest)})
	}
	for name, tc := range map[string]struct {
		src  Source
		want bool
	}{
		"an archive over the limit":                  {Source{Chart: make([]byte, MaxChartBytes+1)}, true},
		"text over the limit":                        {Source{Inline: strings.Repeat("#", MaxTextBytes+1)}, true},
		"text at the limit":                          {Source{Inline: strings.Repeat("#", MaxTextBytes)}, false},
		"an archive that unpacks to too much":        {Source{Chart: bomb}, true},
		"archives that unpack to too much together":  {Source{Chart: chartOf(t, files{"charts/a.tgz": string(third), "charts/b.tgz": string(third), "charts/c.tgz": string(third)})}, true},
		"archives that unpack to enough":             {Source{Chart: chartOf(t, files{"charts/a.tgz": string(third)})}, false},
		"archives that lie too deep in each other":   {Source{Chart: nest}, true},
		"archives that Helm does not unpack":         {Source{Chart: chartOf(t, files{"charts/_a.tgz": string(bomb), "data/b.tgz": string(bomb)})}, false},
		"a file that says it has more than it holds": {Source{Chart: sparse(t)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(tc.src)
			if got := errors.Is(err, ErrChartTooLarge); got != tc.want {
				t.Errorf("too large: %v, want %v (%v)", got, tc.want, err)
			}
		})
	}
}

// zipped is data in gzip's form.
func zipped(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		tb.Fatal(err)
	}
	return packed.Bytes()
}

// sparse is an archive of one GNU sparse file: 1 GiB of nothing in a few hundred bytes.
func sparse(tb testing.TB) []byte {
	tb.Helper()
	var header [512]byte
	copy(header[0:], "shop/hole")
	copy(header[100:], "0000644\x00")
	copy(header[124:], "00000000000\x00") // bytes in the archive
	copy(header[136:], "00000000000\x00")
	header[156] = tar.TypeGNUSparse
	copy(header[257:], "ustar  \x00")
	copy(header[386:], "10000000000\x00"+"00000000000\x00") // one piece: offset 1 GiB, length 0
	copy(header[483:], "10000000000\x00")                   // the size that the file claims
	copy(header[148:], "        ")
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	copy(header[148:], []byte{'0' + byte(sum>>15&7), '0' + byte(sum>>12&7), '0' + byte(sum>>9&7), '0' + byte(sum>>6&7), '0' + byte(sum>>3&7), '0' + byte(sum&7), 0, ' '})
	return zipped(tb, append(header[:], make([]byte, 1024)...))
}

func TestFilesAreATemplateOfSeveralFiles(t *testing.T) {
	tmpl, err := Parse(Source{Files: map[string]string{
		"_helpers.tpl": `{{ define "name" }}shared{{ end }}`,
		"a.yaml":       "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ include \"name\" . }}}\n",
		"b.yml":        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {x: {{ .Values.nothing | quote }}}\n",
	}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := tmpl.Render(Inputs{Namespace: "a", Capabilities: Capabilities{KubeVersion: "v1.37.2"}, ReportMissing: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, object := range out.Objects {
		got = append(got, object.File+" "+object.GetName())
	}
	if diff := cmp.Diff([]string{"a.yaml shared", "b.yml b"}, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]MissingValue{{File: "b.yml", Line: 4, Path: ".Values.nothing"}}, out.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	for name, files := range map[string]map[string]string{
		"readme.md": {"readme.md": "x"},
		"too large": {"a.yaml": strings.Repeat("x", MaxTextBytes), "b.yaml": "x"},
	} {
		if _, err := Parse(Source{Files: files}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error of %s is %v", name, err)
		}
	}
}
