package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// TestCluster plays a cluster's whole life as a person would, with the program itself. It builds what is missing, which
// takes minutes the first time.
func TestCluster(t *testing.T) {
	program := buildProgram(t)
	dir := filepath.Join(t.TempDir(), "cluster")
	t.Cleanup(func() {
		if out, err := program("down", "--dir", dir).CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	// must runs a command that has to succeed and gives its output.
	must := func(args ...string) string {
		t.Helper()
		out, err := program(append(args, "--dir", dir)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
		return string(out)
	}

	if out, err := program("status", "--dir", dir).CombinedOutput(); err == nil {
		t.Errorf("status succeeds without a cluster:\n%s", out)
	}
	if out := must("up"); !strings.Contains(out, "The cluster is ready after") {
		t.Errorf("up does not say that the cluster is ready:\n%s", out)
	}
	if out := must("up"); !strings.Contains(out, "already running") {
		t.Errorf("a second up does not say that the cluster is already running:\n%s", out)
	}
	client := newClient(t, dir)
	createWorkload(t, client)
	awaitWorkload(t, client)

	must("stop-apiserver")
	if out, err := program("status", "--dir", dir).CombinedOutput(); err == nil || !strings.Contains(string(out), "kube-apiserver has ended") {
		t.Errorf("status does not say that the API server has ended: %v\n%s", err, out)
	}
	must("start-apiserver")
	awaitWorkload(t, client)

	deleteWorkload(t, client)
	must("down")
	wantNothingLeft(t, dir)
	must("down")
}

// TestUpRepairs leaves one process of a cluster dead: up must start a whole one, and leave nothing of the first.
func TestUpRepairs(t *testing.T) {
	program := buildProgram(t)
	dir := filepath.Join(t.TempDir(), "cluster")
	t.Cleanup(func() { _ = program("down", "--dir", dir).Run() })
	run := func(command string) {
		t.Helper()
		if out, err := program(command, "--dir", dir).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	run("up")
	first := processesOf(t, dir)
	run("stop-apiserver")
	run("up")
	run("status")
	for pid := range processesOf(t, dir) {
		if _, old := first[pid]; old {
			t.Errorf("process %s of the first cluster is still there", pid)
		}
	}
	run("down")
	wantNothingLeft(t, dir)
}

// TestInterruptedUp ends up in the middle, as Ctrl-C does.
func TestInterruptedUp(t *testing.T) {
	program := buildProgram(t)
	dir := filepath.Join(t.TempDir(), "cluster")
	t.Cleanup(func() { _ = program("down", "--dir", dir).Run() })

	up := program("up", "--dir", dir)
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the API server to be started", func() (bool, error) {
		state, err := os.ReadFile(filepath.Join(dir, "state.json"))
		return err == nil && strings.Contains(string(state), "kube-apiserver"), nil
	})
	if err := up.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := up.Wait(); err == nil {
		t.Error("an interrupted up succeeds")
	}
	if left := processesOf(t, dir); len(left) > 0 {
		t.Errorf("an interrupted up leaves processes: %v", left)
	}
}

// buildProgram builds this program and the control plane, and gives a function that makes commands of it.
func buildProgram(t *testing.T) func(args ...string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(t.TempDir(), "controlplane")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	program := func(args ...string) *exec.Cmd { return exec.Command(path, args...) }
	if out, err := program("build").CombinedOutput(); err != nil {
		t.Fatalf("building the control plane: %v\n%s", err, out)
	}
	again := program("build")
	again.Env = []string{"PATH="} // no go to call
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("building the control plane again, with nothing to do: %v\n%s", err, out)
	}
	return program
}

func newClient(t *testing.T, dir string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const namespace = "tenant"

// createWorkload makes a namespace with a Deployment and two claims: of class demo, and of the default class.
func createWorkload(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	ctx, labels, demo := t.Context(), map[string]string{"app": "web"}, "demo"
	var immediately int64
	_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	replicas := int32(3)
	_, err = client.AppsV1().Deployments(namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					Containers:                    []corev1.Container{{Name: "web", Image: "web"}},
					TerminationGracePeriodSeconds: &immediately, // a namespace waits for half of it before it looks again
				},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, class := range map[string]*string{"demo": &demo, "plain": nil} {
		_, err := client.CoreV1().PersistentVolumeClaims(namespace).Create(ctx, &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeClaimSpec{
				StorageClassName: class,
				AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// awaitWorkload waits until the Deployment is available and the claims are bound.
func awaitWorkload(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	await(t, "the Deployment to be available", func() (bool, error) {
		web, err := client.AppsV1().Deployments(namespace).Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && web.Status.AvailableReplicas == 3, err
	})
	await(t, "the claims to be bound", func() (bool, error) {
		claims, err := client.CoreV1().PersistentVolumeClaims(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		for _, claim := range claims.Items {
			if claim.Status.Phase != corev1.ClaimBound {
				return false, nil
			}
		}
		return len(claims.Items) == 2, nil
	})
}

// deleteWorkload deletes the namespace and waits until it and the volumes are gone.
func deleteWorkload(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	if err := client.CoreV1().Namespaces().Delete(t.Context(), namespace, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "the namespace to be gone", func() (bool, error) {
		_, err := client.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
	await(t, "the volumes to be gone", func() (bool, error) {
		volumes, err := client.CoreV1().PersistentVolumes().List(t.Context(), metav1.ListOptions{})
		return err == nil && len(volumes.Items) == 0, err
	})
}

// await asks until done, an error, or two minutes are over.
func await(t *testing.T, what string, done func() (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil {
			t.Fatalf("Waiting for %s: %v", what, err)
		}
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("Waiting for %s: it does not happen", what)
		case <-tick.C:
		}
	}
}

// processesOf finds the processes whose command line names the folder: id → command line.
func processesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := exec.Command("ps", "-ww", "-A", "-o", "pid=,args=").Output()
	if err != nil {
		t.Fatalf("listing processes: %v", err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(list)) {
		if pid, args, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.Contains(args, dir+"/") {
			found[pid] = args
		}
	}
	return found
}

func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	if left := processesOf(t, dir); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if names, err := folder.Readdirnames(1); err != io.EOF {
		t.Errorf("files are left: %v %v", names, err)
	}
}
