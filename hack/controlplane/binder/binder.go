package binder

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
)

// key is what has to be looked at again: a claim, or (with an empty namespace) a volume.
type key = types.NamespacedName

// binder works off what its informers have seen to change.
type binder struct {
	client  kubernetes.Interface
	claims  cache.Indexer
	volumes cache.Indexer
	queue   workqueue.TypedRateLimitingInterface[key]
	path    string
	node    string
	log     *slog.Logger
}

// Run binds claims until ctx ends, which is no error. kubeconfig is a file; volumes the folder below which the volumes
// have their paths; node the real node whose pods use them, for which this process makes and removes the folders, or empty;
// out gets a line for each volume. If the API server goes away, it goes on when that is back.
func Run(ctx context.Context, kubeconfig, volumes, node string, out io.Writer) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig %s: %w", kubeconfig, err)
	}
	config.QPS, config.Burst = 500, 1000 // the client's own default of 5 a second would be all that a benchmark sees
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client from %s: %w", kubeconfig, err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	claims, pvs := factory.Core().V1().PersistentVolumeClaims().Informer(), factory.Core().V1().PersistentVolumes().Informer()
	b := &binder{
		client: client, claims: claims.GetIndexer(), volumes: pvs.GetIndexer(), path: volumes, node: node,
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[key]()),
		log:   slog.New(slog.NewTextHandler(out, nil)),
	}
	defer b.queue.ShutDown()
	for _, informer := range []cache.SharedIndexInformer{claims, pvs} {
		if _, err := informer.AddEventHandler(b.enqueue()); err != nil {
			return fmt.Errorf("watching claims and volumes: %w", err)
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	b.log.Info("Binding claims", "class", Class)

	context.AfterFunc(ctx, b.queue.ShutDown)
	for b.next(ctx) {
	}
	factory.Shutdown()
	return nil
}

// enqueue looks again at everything that appears or changes; what is gone needs nothing.
func (b *binder) enqueue() cache.ResourceEventHandler {
	add := func(object any) {
		if meta, ok := object.(metav1.Object); ok {
			b.queue.Add(key{Namespace: meta.GetNamespace(), Name: meta.GetName()})
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, object any) { add(object) }}
}

// next handles one key; false when the queue was shut down.
func (b *binder) next(ctx context.Context) bool {
	item, shutdown := b.queue.Get()
	if shutdown {
		return false
	}
	defer b.queue.Done(item)
	if err := b.reconcile(ctx, item); err != nil && ctx.Err() == nil {
		b.log.Error("Trying again later", "object", item, "error", err)
		b.queue.AddRateLimited(item)
		return true
	}
	b.queue.Forget(item)
	return true
}

// reconcile makes a claim's volume, or deletes a volume that is over.
func (b *binder) reconcile(ctx context.Context, item key) error {
	if item.Namespace == "" {
		object, found, err := b.volumes.GetByKey(item.Name)
		if volume, ok := object.(*corev1.PersistentVolume); err == nil && found && ok && isOver(volume) {
			return b.remove(ctx, volume)
		}
		return err
	}
	object, found, err := b.claims.GetByKey(item.String())
	if claim, ok := object.(*corev1.PersistentVolumeClaim); err == nil && found && ok && wantsVolume(claim) {
		return b.provide(ctx, claim)
	}
	return err
}

func (b *binder) provide(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	volume := volumeFor(claim, b.path, b.node)
	if volume.Spec.Local != nil {
		if err := os.MkdirAll(volume.Spec.Local.Path, 0o755); err != nil {
			return fmt.Errorf("making the folder of claim %s/%s: %w", claim.Namespace, claim.Name, err)
		}
	}
	_, err := b.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // made on an earlier pass; the claim is not bound to it yet
	}
	if err != nil {
		return fmt.Errorf("creating the volume of claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	b.log.Info("Created a volume", "volume", volume.Name, "claim", claim.Namespace+"/"+claim.Name)
	return nil
}

func (b *binder) remove(ctx context.Context, volume *corev1.PersistentVolume) error {
	err := b.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name,
		metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(volume.UID))})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting volume %s, whose claim is gone: %w", volume.Name, err)
	}
	if volume.Spec.Local != nil {
		if err := os.RemoveAll(volume.Spec.Local.Path); err != nil {
			return fmt.Errorf("deleting the data of volume %s: %w", volume.Name, err)
		}
	}
	b.log.Info("Deleted a volume", "volume", volume.Name)
	return nil
}
