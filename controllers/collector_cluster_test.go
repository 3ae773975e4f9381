package controllers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/test/apiserver"
)

// An instance is deleted and made again as soon as it is gone, while the cluster's own garbage collector takes away what the former one
// owned: not the access Secret of the new one, whose seed no one could bring back.
func TestTheGarbageCollectorLeavesANewInstanceItsAccessSecret(t *testing.T) {
	t.Parallel()
	assets := apiserver.Binaries(t)
	if _, err := os.Stat(filepath.Join(assets, "kube-controller-manager")); err != nil {
		t.Skip("there is no kube-controller-manager: ", err)
	}
	// Of its own: the other tests play the controllers' part themselves.
	c, stop, err := startCluster(assets, "")
	t.Cleanup(stop)
	if err != nil {
		t.Fatal(err)
	}
	x := newShopOn(t, c, "sales-collector")
	x.collectsGarbage(assets)
	x.operate()
	x.sells(withAccess)
	for range 3 {
		mpi := x.buys("acme")
		x.ready("acme")
		x.collected()
		secret := x.secret(x.name, "acme-access")
		x.Expect(secret.OwnerReferences).To(ConsistOf(HaveField("UID", mpi.UID)))
		x.Expect(x.client.Delete(t.Context(), mpi)).To(Succeed())
		x.eventually(func() *v1alpha1.MarketplaceInstance { return x.instance("acme") }).Should(BeNil())
	}
}

// collectsGarbage runs the cluster's garbage collector and its controller of namespaces.
func (x *shop) collectsGarbage(assets string) {
	x.t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: x.config.Host, CertificateAuthorityData: x.config.CAData}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{ClientCertificateData: x.config.CertData, ClientKeyData: x.config.KeyData}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	kubeconfig := filepath.Join(x.t.TempDir(), "kubeconfig")
	x.Expect(clientcmd.WriteToFile(*config, kubeconfig)).To(Succeed())
	manager := exec.CommandContext(x.t.Context(), filepath.Join(assets, "kube-controller-manager"), "--kubeconfig="+kubeconfig,
		"--leader-elect=false", "--secure-port=0", "--controllers=garbage-collector-controller,namespace-controller",
		"--kube-api-qps=500", "--kube-api-burst=1000")
	x.Expect(manager.Start()).To(Succeed())
	x.t.Cleanup(func() { _ = manager.Wait() }) // the test's context has killed it
}

// collected waits until the collector has taken away what has no owner any more: whatever came before that, it has seen.
func (x *shop) collected() {
	x.t.Helper()
	orphan := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: x.name, Name: fmt.Sprint("orphan-", shops.Add(1)),
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: types.UID(fmt.Sprint("gone-", shops.Add(1)))}},
	}}
	x.create(orphan)
	x.eventually(func() bool {
		return apierrors.IsNotFound(x.client.Get(x.t.Context(), client.ObjectKeyFromObject(orphan), orphan))
	}).Should(BeTrue())
}
