package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Namespaces of the demo.
const (
	systemNamespace = "stallkeeper-system" // where the chart is installed
	salesNamespace  = "sales"              // where the Marketplace, the product and the instances live
)

// demo is one run.
type demo struct {
	paths paths
	out   *printer
	keep  bool

	record    record           // what has to be ended
	kube      client.WithWatch // the cluster as its administrator sees it
	keys      keys             // made for this run
	callback  string           // URL of the webhook server's callback
	ordersURL string           // where the fake open API takes orders
	apiURL    string           // base URL of the fake open API
	sold      listing          // what the product's first listing sells
	joint     listing          // what the product with a login sells
	signOn    signOn           // where an enterprise's users sign in
	timeline  timeline         // what happened, for the end
}

func main() {
	folder := flag.String("dir", "bin/demo", "folder for the demo's logs, tokens and certificates")
	clusterFolder := flag.String("cluster-dir", "bin/cluster", "folder of the control plane; one that runs there is used and left running")
	down := flag.Bool("down", false, "only end what an earlier demo left running")
	flag.Parse()
	// The cluster's client would complain on stderr that nobody configured its log.
	log.SetLogger(klog.New(nil))

	// SIGHUP too: a closed terminal must not leave processes behind.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	d := &demo{out: newPrinter(os.Stdout), keep: keepAsked(os.Getenv("KEEP")), keys: newKeys()}
	err := d.run(ctx, *folder, *clusterFolder, *down)
	stop()
	if err != nil {
		d.out.failure(err)
		os.Exit(1)
	}
}

// keepAsked reads the variable KEEP as make passes it on.
func keepAsked(value string) bool {
	return value != "" && value != "0" && value != "false" && value != "no"
}

// run plays the demo and ends what it started. With down it only ends what an earlier one left.
func (d *demo) run(ctx context.Context, folder, clusterFolder string, down bool) (err error) {
	if d.paths, err = newPaths(folder, clusterFolder); err != nil {
		return err
	}
	if err := d.cleanEarlier(ctx); err != nil {
		return fmt.Errorf("ending what an earlier demo left: %w", err)
	}
	if down {
		return nil
	}
	defer func() {
		if d.keep && ctx.Err() == nil {
			return
		}
		if ctx.Err() != nil {
			// What failed because of the interrupt is of no interest.
			err = errors.New("interrupted")
		}
		// An interrupt has ended ctx, but the processes have to be ended all the same.
		err = errors.Join(err, d.end(context.WithoutCancel(ctx)))
	}()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	if err := d.playSales(ctx); err != nil {
		return err
	}
	d.farewell()
	return nil
}

// prepare takes the demo to where a marketplace can call.
func (d *demo) prepare(ctx context.Context) error {
	steps := []struct {
		title string
		do    func(context.Context) error
	}{
		{"Building what is missing (the control plane takes about 12 minutes the first time)", d.build},
		{"Starting a Kubernetes control plane", d.startCluster},
		{"Installing the chart with Helm", d.installChart},
		{"Starting the fake open API and sign-on, the webhook server, the controller and the sign-on bridge", d.startProcesses},
		{"Connecting the marketplace and describing the product", d.describeProduct},
	}
	for i, step := range steps {
		began := time.Now()
		d.out.step(i+1, len(steps), step.title)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
		d.out.took(time.Since(began))
	}
	return nil
}

// farewell says how to go on.
func (d *demo) farewell() {
	d.out.title("Every step came true")
	if !d.keep {
		d.out.line("All processes are ended; their logs are in %s.", d.paths.relative(d.paths.demo))
		d.out.line("To look around yourself, keep everything running:")
		d.out.commands("make demo KEEP=1")
	} else {
		d.out.line("Everything goes on running, until the next demo or `go run ./hack/demo -down`. The processes' logs are in %s.", d.paths.relative(d.paths.demo))
	}
	d.out.line("Then:")
	d.out.commands(
		"export KUBECONFIG="+d.paths.kubeconfig(),
		"alias kubectl="+d.paths.kubectl(),
		"kubectl get mpi -A",
		"kubectl describe mpi -n "+salesNamespace,
		"set -a; . "+d.paths.relative(d.paths.env())+"; set +a     # the callback URL and the key, for:",
		d.paths.relative(d.paths.stallkeeper())+" simulate purchase --order MOCKPERIODYEARNEW",
		"make cluster-down",
	)
}
