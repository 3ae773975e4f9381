package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// workerVariable makes this test's binary the command.
const workerVariable = "STALLKEEPER_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestTheBinaryIsItsOwnRenderWorker(t *testing.T) {
	command, err := renderWorker(render.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	pool := render.NewPool(func() *exec.Cmd {
		cmd := command()
		cmd.Env = []string{workerVariable + "=1"}
		return cmd
	}, 1, render.Limits{})
	defer pool.Close()
	tmpl, err := pool.Load(t.Context(), template.Source{Inline: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"})
	if err != nil {
		t.Fatal(err)
	}
	out, err := tmpl.Render(t.Context(), template.Inputs{Namespace: "a", Capabilities: template.Capabilities{KubeVersion: "v1.37.2"}})
	if err != nil || len(out.Objects) != 1 {
		t.Errorf("got %d objects, %v", len(out.Objects), err)
	}
}
