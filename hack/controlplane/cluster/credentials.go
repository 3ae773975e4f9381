package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/stallkeeper/stallkeeper/hack/controlplane/node"
)

// masters is the group that may do everything.
const masters = "system:masters"

// writeCredentials makes a CA, the servers' certificates, the key that ServiceAccount tokens are signed with, and a
// kubeconfig for each client. The CA's own key is not kept.
func (p parts) writeCredentials() error {
	if err := os.MkdirAll(p.file("certs"), 0o700); err != nil {
		return fmt.Errorf("making the folder of the certificates: %w", err)
	}
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	tokens, err := newKey()
	if err != nil {
		return err
	}
	return errors.Join(
		p.writeSecret("ca.crt", ca.pem),
		p.writeSecret("service-account.key", tokens.pem),
		p.writeServer(ca, "etcd", "localhost"),
		p.writeServer(ca, "apiserver", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"),
		p.writeKubeconfig(ca, p.Kubeconfig(), "stallkeeper-admin", masters),
		p.writeKubeconfig(ca, p.file(controllerManager+".kubeconfig"), "system:kube-controller-manager"),
		p.writeKubeconfig(ca, p.file(scheduler+".kubeconfig"), "system:kube-scheduler"),
		p.writeNodeCredentials(ca),
		p.writeKubeconfig(ca, p.file(volumeBinder+".kubeconfig"), "volume-binder", masters),
	)
}

func (p parts) writeSecret(name string, data []byte) error {
	if err := os.WriteFile(p.file("certs", name), data, 0o600); err != nil {
		return fmt.Errorf("writing certificates: %w", err)
	}
	return nil
}

// writeServer makes a certificate for a server on 127.0.0.1; etcd's is also its clients'.
func (p parts) writeServer(ca authority, name string, hosts ...string) error {
	cert, key, err := ca.issue(x509.Certificate{
		Subject:  pkix.Name{CommonName: name},
		DNSNames: hosts,
		// The first of serviceRange is the API server's.
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1), net.ParseIP(node.Address)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	return errors.Join(p.writeSecret(name+".crt", cert), p.writeSecret(name+".key", key))
}

// writeKubeconfig makes a kubeconfig for a user in groups. It holds all it needs, so that it can be copied elsewhere.
func (p parts) writeKubeconfig(ca authority, path, user string, groups ...string) error {
	cert, key, err := ca.issue(x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	const name = "stallkeeper"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   fmt.Sprintf("https://127.0.0.1:%d", p.apiPort),
		CertificateAuthorityData: ca.pem,
	}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
	}
	return nil
}

// writeNodeCredentials makes those of the node's processes.
func (p parts) writeNodeCredentials(ca authority) error {
	if !p.RealNode {
		return p.writeKubeconfig(ca, p.file(kwok+".kubeconfig"), "kwok", masters)
	}
	return errors.Join(
		p.writeKubeconfig(ca, p.file(kubelet+".kubeconfig"), "system:node:"+node.Name, "system:nodes"),
		p.writeKubeconfig(ca, p.file(kubeProxy+".kubeconfig"), "system:kube-proxy"),
		p.writeKubeconfig(ca, p.file(dnsServer+".kubeconfig"), "dns-server", masters),
		p.writeKubeletClient(ca),
	)
}

// writeKubeletClient makes the certificate with which the API server asks the kubelet for logs and commands.
func (p parts) writeKubeletClient(ca authority) error {
	cert, key, err := ca.issue(x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver-kubelet-client", Organization: []string{masters}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	return errors.Join(p.writeSecret("kubelet-client.crt", cert), p.writeSecret("kubelet-client.key", key))
}

// restConfig reads the administrator's kubeconfig.
func (c Cluster) restConfig(s *state) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}
	config.Timeout = 10 * time.Second // a server that hangs counts as one that does not answer
	config.Dial = s.dialer()
	return config, nil
}

// key is a private key, also as PEM.
type key struct {
	*ecdsa.PrivateKey
	pem []byte
}

func newKey() (key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return key{}, fmt.Errorf("making a key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return key{}, fmt.Errorf("encoding a key: %w", err)
	}
	return key{private, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})}, nil
}

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  key
	pem  []byte
}

func newAuthority() (authority, error) {
	key, err := newKey()
	if err != nil {
		return authority{}, err
	}
	self := authority{key: key, cert: &x509.Certificate{
		Subject:               pkix.Name{CommonName: "stallkeeper-controlplane"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}}
	der, err := self.sign(self.cert, key)
	if err != nil {
		return authority{}, err
	}
	if self.cert, err = x509.ParseCertificate(der); err != nil {
		return authority{}, fmt.Errorf("parsing the CA's certificate: %w", err)
	}
	self.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return self, nil
}

// issue completes the template, and gives certificate and key as PEM.
func (a authority) issue(template x509.Certificate) (cert, private []byte, err error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := a.sign(&template, key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key.pem, nil
}

// sign sets serial number and validity. An hour back, because clocks of containers and hosts differ.
func (a authority) sign(template *x509.Certificate, subject key) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, subject.Public(), a.key.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return der, nil
}
