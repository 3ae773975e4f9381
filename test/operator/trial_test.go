package operator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// A folder of chart archives, REPOSITORY/NAME-VERSION.tgz, each of which is sold for a trial; one for NAME.yaml with values; and the file
// for the table. None of the charts is kept here.
var (
	trialCharts = os.Getenv("TRIAL_CHARTS")
	trialValues = os.Getenv("TRIAL_VALUES")
	trialTable  = os.Getenv("TRIAL_TABLE")
)

// trialWorkers are how many charts are on trial at once; trialStep is how long a step of one may take.
const (
	trialWorkers = 8
	trialStep    = 5 * time.Minute
)

// trials sell every chart of a folder: each runs, is suspended, resumed, moved to another version, and released.
func trials() {
	if trialCharts == "" {
		return
	}
	It("of a folder is sold, suspended, resumed, upgraded and released", func(ctx SpecContext) {
		class := &storagev1.StorageClass{}
		Expect(world.cluster.Get(ctx, client.ObjectKey{Name: "demo"}, class)).To(Succeed())
		metav1.SetMetaDataAnnotation(&class.ObjectMeta, "storageclass.kubernetes.io/is-default-class", "true")
		Expect(world.cluster.Update(ctx, class)).To(Succeed())

		found := archivesBelow(trialCharts)
		Expect(found).NotTo(BeEmpty())
		registry := strings.TrimPrefix(newRegistry().URL, "http://")
		table, err := os.Create(trialTable)
		Expect(err).NotTo(HaveOccurred())
		defer table.Close()
		fmt.Fprintln(table, "| repository | chart | version | result |\n|---|---|---|---|")
		DeferCleanup(restarted(ctx, world.controller))
		next := make(chan int)
		var workers sync.WaitGroup
		for range trialWorkers {
			workers.Go(func() {
				defer GinkgoRecover()
				for i := range next {
					t := &trial{path: found[i], product: fmt.Sprintf("trial-%d", i), registry: registry}
					fmt.Fprintln(table, t.row(t.run(ctx)))
				}
			})
		}
		for i := range found {
			next <- i
		}
		close(next)
		workers.Wait()
	}, NodeTimeout(time.Hour))
}

// restarted starts a process again when it has ended, as a kubelet does with one that has lost its lease. The result stops that.
func restarted(ctx context.Context, p *process) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		defer GinkgoRecover()
		for {
			select {
			case <-ctx.Done():
				return
			case <-p.ended:
				Expect(p.start()).To(Succeed())
			}
		}
	})
	return func() {
		cancel()
		watching.Wait()
	}
}

// archivesBelow are the chart archives below a folder.
func archivesBelow(folder string) []string {
	GinkgoHelper()
	var found []string
	Expect(filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".tgz") {
			found = append(found, path)
		}
		return err
	})).To(Succeed())
	slices.Sort(found)
	return found
}

// trial is the trial of one chart.
type trial struct {
	path, product, registry string
	chart, version          string
	sale                    *sale
	roles                   int // how many Roles its tenant had
}

var roleListKind = rbacv1.SchemeGroupVersion.WithKind("RoleList")

// errNotReady is a product that says before the first buyer why it can't be sold.
var errNotReady = errors.New("not sold")

func (t *trial) row(err error) string {
	result := "runs"
	if t.roles > 0 {
		result += fmt.Sprintf(", with %d Roles", t.roles)
	}
	if err != nil {
		const most = 300
		result = strings.ReplaceAll(strings.Join(strings.Fields(err.Error()), " "), "|", "\\|")
		result = result[:min(len(result), most)]
	}
	maker := strings.ReplaceAll(filepath.Base(filepath.Dir(t.path)), "+", "/")
	return fmt.Sprintf("| %s | %s | %s | %s |", maker, t.chart, t.version, result)
}

// run sells the chart, and brings the sale from its purchase to its end.
func (t *trial) run(ctx context.Context) error {
	p, err := t.offer(ctx)
	if err != nil {
		return err
	}
	if err := t.buy(ctx); err != nil {
		return fmt.Errorf("bought: %w", err)
	}
	before, err := t.running(ctx, "")
	if err != nil {
		return errors.Join(fmt.Errorf("installed: %w", err), t.release(ctx))
	}
	err = t.changes(ctx, p, before)
	return errors.Join(err, t.release(ctx))
}

// changes suspends, resumes and upgrades what runs.
func (t *trial) changes(ctx context.Context, p *v1alpha1.MarketplaceProduct, before stands) error {
	if err := t.status(ctx, koogallery.StatusFreeze); err != nil {
		return fmt.Errorf("frozen: %w", err)
	}
	if err := t.stopped(ctx); err != nil {
		return fmt.Errorf("suspended: %w", err)
	}
	if err := t.status(ctx, koogallery.StatusUnfreeze); err != nil {
		return fmt.Errorf("unfrozen: %w", err)
	}
	resumed, err := t.running(ctx, "")
	if err == nil {
		err = before.differs(resumed, true)
	}
	if err != nil {
		return fmt.Errorf("resumed: %w", err)
	}
	if err := t.publish(ctx, p, "9"); err != nil {
		return fmt.Errorf("next version: %w", err)
	}
	upgraded, err := t.running(ctx, p.Status.LatestRevision)
	if err == nil {
		err = before.differs(upgraded, false)
	}
	if err != nil {
		return fmt.Errorf("upgraded: %w", err)
	}
	return nil
}

// pack is the chart's archive, with a pre-release's suffix at its version so that the archive is another one.
func (t *trial) pack(suffix string) ([]byte, string, error) {
	archive, err := os.ReadFile(t.path)
	if err != nil {
		return nil, "", err
	}
	ch, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, "", err
	}
	t.chart = ch.Name()
	if suffix == "" {
		t.version = ch.Metadata.Version
		return archive, t.version, nil
	}
	bare, _, _ := strings.Cut(t.version, "+")
	ch.Metadata.Version = bare + suffix
	dir, err := os.MkdirTemp(world.paths.dir, "trial-")
	if err != nil {
		return nil, "", err
	}
	saved, err := chartutil.Save(ch, dir)
	if err != nil {
		return nil, "", err
	}
	archive, err = os.ReadFile(saved)
	return archive, ch.Metadata.Version, err
}

// offer makes the product, and waits until it is ready.
func (t *trial) offer(ctx context.Context) (*v1alpha1.MarketplaceProduct, error) {
	_, _, err := t.pack("")
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	plan := map[string]any{}
	content, err := os.ReadFile(filepath.Join(trialValues, t.chart+".yaml"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	if err := yaml.Unmarshal(content, &plan); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	p := product(t.product, "", lasting(3600, 3))
	p.Spec.Plans[0].Values = &runtime.RawExtension{Raw: raw}
	p.Spec.Isolation = v1alpha1.Isolation{PodSecurityLevel: v1alpha1.PodSecurityBaseline, APIAccess: v1alpha1.APIAccessServiceAccountToken}
	return p, t.publish(ctx, p, "")
}

// publish pushes a version of the chart, makes or changes the product so that it sells it, and waits until it does.
func (t *trial) publish(ctx context.Context, p *v1alpha1.MarketplaceProduct, suffix string) error {
	archive, version, err := t.pack(suffix)
	if err != nil {
		return err
	}
	repository := t.registry + "/charts/" + t.product
	if err := push(ctx, repository, strings.ReplaceAll(version, "+", "_"), archive); err != nil {
		return err
	}
	set := func() {
		p.Spec.Template = v1alpha1.ProductTemplate{Chart: v1alpha1.Chart{
			OCI: v1alpha1.OCIChart{Reference: "oci://" + repository, Version: version, Transport: v1alpha1.TransportHTTP},
		}}
	}
	if suffix == "" {
		set()
		err = world.cluster.Create(ctx, p)
	} else {
		before := p.DeepCopy()
		set()
		err = world.cluster.Patch(ctx, p, client.MergeFrom(before))
	}
	if err != nil {
		return err
	}
	var problem error
	err = poll(ctx, func(ctx context.Context) error {
		if err := world.cluster.Get(ctx, client.ObjectKeyFromObject(p), p); err != nil {
			return err
		}
		found := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
		switch {
		case found == nil || found.ObservedGeneration < p.Generation || found.Status == metav1.ConditionUnknown:
			return fmt.Errorf("the product is not checked yet: %+v", found)
		case found.Status == metav1.ConditionFalse:
			problem = fmt.Errorf("%w: %s: %s", errNotReady, found.Reason, found.Message)
		}
		return nil
	})
	return errors.Join(problem, err)
}

// buy places the order and has KooGallery call about it.
func (t *trial) buy(ctx context.Context) error {
	t.sale = world.main.newOrder(t.product, orderOptions{quantity: 1, expires: time.Now().Add(6 * time.Hour)})
	return answers(ctx, func() (*koogallerytest.Exchange, error) {
		return t.sale.caller().NewInstance(ctx, t.sale.order, t.sale.line())
	}, koogallery.ResultInProgress, koogallery.ResultSuccess)
}

func (t *trial) status(ctx context.Context, status string) error {
	return answers(ctx, func() (*koogallerytest.Exchange, error) {
		return t.sale.caller().UpdateInstanceStatus(ctx, t.sale.id, status)
	}, koogallery.ResultSuccess)
}

// release ends the sale, and waits until the tenant is gone.
func (t *trial) release(ctx context.Context) error {
	err := answers(ctx, func() (*koogallerytest.Exchange, error) {
		return t.sale.caller().ReleaseInstance(ctx, t.sale.id, "", "")
	}, koogallery.ResultSuccess)
	if err != nil {
		return fmt.Errorf("released: %w", err)
	}
	err = poll(ctx, func(ctx context.Context) error {
		err := world.cluster.Get(ctx, client.ObjectKey{Name: tenantNamespace(t.sale.id)}, &corev1.Namespace{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("the namespace is still there"), err)
	})
	if err != nil {
		return fmt.Errorf("released: %w", err)
	}
	return nil
}

// answers calls until the answer has one of the codes, as KooGallery repeats a call that was answered otherwise.
func answers(ctx context.Context, call func() (*koogallerytest.Exchange, error), codes ...string) error {
	return poll(ctx, func(context.Context) error {
		exchange, err := call()
		if err == nil && !slices.Contains(codes, exchange.ResultCode) {
			err = fmt.Errorf("the answer is %s", exchange.Redacted().Body)
		}
		return err
	})
}

// poll tries until there is no error.
func poll(ctx context.Context, try func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 500*time.Millisecond, trialStep, true, func(ctx context.Context) (bool, error) {
		err := try(ctx)
		if last == nil || ctx.Err() == nil {
			last = err // what is said after the time is over is only that
		}
		return err == nil, nil
	})
	if err != nil {
		return last
	}
	return nil
}

// stands is what a tenant has.
type stands struct {
	replicas  map[string]int32
	templates map[string]corev1.PodTemplateSpec
	secrets   map[string]map[string][]byte
}

// running waits until the tenant runs, on the revision if one is given, and reads what it has.
func (t *trial) running(ctx context.Context, revision string) (stands, error) {
	var now stands
	err := poll(ctx, func(ctx context.Context) error {
		mpi, err := t.sale.instance(ctx)
		if err != nil {
			return err
		}
		if err := giveAddresses(ctx, tenantNamespace(t.sale.id)); err != nil {
			return err
		}
		ready := conditionMissing(mpi.Status.Conditions, v1alpha1.ConditionReady, "True InstanceReady", mpi.Generation)
		if ready != "" || mpi.Status.State != v1alpha1.StateRunning || revision != "" && mpi.Status.Revision != revision {
			return fmt.Errorf("on revision %s: %s", mpi.Status.Revision, explained(mpi))
		}
		now, err = t.read(ctx)
		return err
	})
	return now, err
}

// stopped waits until no pod runs and the instance says so.
func (t *trial) stopped(ctx context.Context) error {
	return poll(ctx, func(ctx context.Context) error {
		mpi, err := t.sale.instance(ctx)
		if err != nil {
			return err
		}
		if mpi.Status.State != v1alpha1.StateSuspended || !meta.IsStatusConditionTrue(mpi.Status.Conditions, v1alpha1.ConditionSuspended) {
			return errors.New(explained(mpi))
		}
		var pods corev1.PodList
		if err := world.cluster.List(ctx, &pods, client.InNamespace(tenantNamespace(t.sale.id))); err != nil {
			return err
		}
		for _, pod := range pods.Items {
			if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				return fmt.Errorf("Suspended is True, and the pod %s is %s", pod.Name, pod.Status.Phase)
			}
		}
		return nil
	})
}

// read reads what the tenant has.
func (t *trial) read(ctx context.Context) (stands, error) {
	now := stands{replicas: map[string]int32{}, templates: map[string]corev1.PodTemplateSpec{}, secrets: map[string]map[string][]byte{}}
	in := client.InNamespace(tenantNamespace(t.sale.id))
	var (
		deployments appsv1.DeploymentList
		sets        appsv1.StatefulSetList
		secrets     corev1.SecretList
	)
	roles := &metav1.PartialObjectMetadataList{}
	roles.SetGroupVersionKind(roleListKind)
	for _, list := range []client.ObjectList{&deployments, &sets, &secrets, roles} {
		if err := world.cluster.List(ctx, list, in); err != nil {
			return now, err
		}
	}
	for _, d := range deployments.Items {
		now.replicas["Deployment/"+d.Name], now.templates["Deployment/"+d.Name] = ptr.Deref(d.Spec.Replicas, 1), d.Spec.Template
	}
	for _, s := range sets.Items {
		now.replicas["StatefulSet/"+s.Name], now.templates["StatefulSet/"+s.Name] = ptr.Deref(s.Spec.Replicas, 1), s.Spec.Template
	}
	for _, s := range secrets.Items {
		now.secrets[s.Name] = s.Data
	}
	t.roles = len(roles.Items)
	return now, nil
}

// differs says what became another: the numbers of replicas, what Secrets hold, and, if asked, the pods' templates.
func (s stands) differs(now stands, templates bool) error {
	if !reflect.DeepEqual(s.replicas, now.replicas) {
		return fmt.Errorf("replicas were %v and are %v", s.replicas, now.replicas)
	}
	for name, data := range s.secrets {
		for key, value := range data {
			if !bytes.Equal(value, now.secrets[name][key]) {
				return fmt.Errorf("Secret/%s has another %s", name, key)
			}
		}
	}
	for name, template := range s.templates {
		if templates && !reflect.DeepEqual(template, now.templates[name]) {
			return fmt.Errorf("%s has another pod template", name)
		}
	}
	return nil
}

// giveAddresses is the cloud: it gives the Services of type LoadBalancer and the Ingresses of a namespace an address.
func giveAddresses(ctx context.Context, namespace string) error {
	var services corev1.ServiceList
	var ingresses networkingv1.IngressList
	for _, list := range []client.ObjectList{&services, &ingresses} {
		if err := world.cluster.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return err
		}
	}
	for _, s := range services.Items {
		if s.Spec.Type == corev1.ServiceTypeLoadBalancer && len(s.Status.LoadBalancer.Ingress) == 0 {
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
			if err := world.cluster.Status().Update(ctx, &s); err != nil {
				return err
			}
		}
	}
	for _, i := range ingresses.Items {
		if len(i.Status.LoadBalancer.Ingress) == 0 {
			i.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}
			if err := world.cluster.Status().Update(ctx, &i); err != nil {
				return err
			}
		}
	}
	return nil
}
