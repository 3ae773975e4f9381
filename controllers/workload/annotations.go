package workload

import (
	"slices"
	"strings"
)

// The annotations of what draws traffic: the chart's admission policy has the same lists and rules, and a test compares what both say.

// sharedEnds end annotations by which controllers take hosts or addresses that stand in no spec, or text into the configuration that all
// tenants share, or call for a tenant what its own pods can't reach, in whatever domain they stand.
var sharedEnds = []string{
	"-snippet", "-snippets", "/server-alias", "/server-alias-regex", "/host-aliases", "/hostname-extension", "/redirect-from",
	"/redirect-from-regex", "/from-to-www-redirect", "/regex-prefix", "/auth-url", "/auth-tls-match-cn", "/mirror-target", "/mirror-host",
	"/loadbalancerips", "/allow-shared-ip", "/existed-lbid", "/tke-existed-lbid", "/load-balancer-id", "-loadbalancer-id",
}

// Of the annotations in whose domain one of the parts of controllerDomains stands, by which controllers of traffic, addresses, names and
// certificates are told what no spec shows, only those are let pass that are known to be about the object's own hosts and pods: by name, by a
// part of it, by its end. In the domain of Kubernetes itself those that begin with controllerBegins are the controllers'.
var (
	controllerDomains = []string{
		"ingress", "nginx", "haproxy", "traefik", "konghq.com", "getambassador.io", "projectcontour.io", "zalando.org", "apisix.apache.org",
		"router.openshift.io", "f5.com", "citrix.com", "vmware.com", "metallb", "kube-vip", "cilium", "purelb.io", "openelb", "lb.kubesphere.io",
		"porter.kubesphere.io", "loxilb.io", "tailscale.com", "hetzner.cloud", "openstack.org", "gke.io", "cloud.google.com", "cloud.tencent.com",
		"service.beta.kubernetes.io", "service.kubernetes.io", "external-dns", "cert-manager.io", "gardener.cloud",
	}
	controllerBegins = []string{"kubernetes.io/elb.", "kubernetes.io/ingress."}

	ownNames = []string{
		"ingress.class", "ingress.allow-http", "rewrite-target", "path-rewrite", "app-root", "use-regex", "strip-path", "preserve-host",
		"preserve-trailing-slash", "protocol", "protocols", "backend-protocol", "backend-protocol-version", "service-upstream", "upstream-hash-by",
		"upstream-vhost", "load-balance", "balance-algorithm", "lb-method", "x-forwarded-prefix", "secure-backends", "websocket-services",
		"ssl-services", "grpc-services", "redirect-to-https", "https-redirect-status-code", "rewrites", "client-max-body-size", "default-backend",
		"custom-http-errors", "permanent-redirect", "permanent-redirect-code", "temporal-redirect", "temporal-redirect-code", "enable-cors",
		"auth-type", "auth-secret", "auth-secret-type", "auth-realm", "basic-auth-secret", "basic-auth-realm", "auth-tls-secret",
		"auth-tls-verify-client", "auth-tls-verify-depth", "auth-tls-pass-certificate-to-upstream", "auth-tls-error-page", "auth-signin",
		"auth-response-headers", "auth-cache-key", "auth-cache-duration", "auth-request-redirect", "secure-verify-ca-secret", "secure-crt-secret",
		"ssl-passthrough", "ssl-ciphers", "ssl-prefer-server-ciphers", "relative-redirects", "global-rate-limit", "server-tokens", "max-fails",
		"keepalive",
		"server-ssl", "server-proto", "server-crt", "server-ca", "fastcgi-index", "fastcgi-params-configmap", "satisfy", "enable-access-log",
		"enable-rewrite-log", "enable-opentelemetry", "enable-opentracing", "enable-modsecurity", "enable-owasp-core-rules", "enable-global-auth",
		"http2-push-preload", "forwarded-for", "allow-list", "deny-list", "whitelist", "blacklist", "check", "check-http", "check-interval",
		"pod-maxconn", "maxconn-server", "plugins", "upstream-protocol.h2", "upstream-protocol.h2c", "upstream-protocol.tls", "router.entrypoints",
		"router.tls", "router.tls.certresolver", "router.tls.options", "router.middlewares", "router.observability.accesslogs",
		"router.observability.metrics", "router.observability.tracing", "service.passhostheader", "service.serversscheme",
		"service.serverstransport", "service.nativelb", "service.nodeportlb", "service.sticky.cookie", "service.sticky.cookie.name",
		"service.sticky.cookie.secure", "service.sticky.cookie.httponly", "service.sticky.cookie.samesite", "service.sticky.cookie.maxage",
		"scheme", "target-type", "listen-ports", "certificate-arn", "ssl-policy", "subnets", "security-groups",
		"manage-backend-security-group-rules", "inbound-cidrs", "group.name", "ip-address-type", "success-codes", "load-balancer-attributes",
		"target-group-attributes", "tags", "target-node-labels", "wafv2-acl-arn", "elb.class", "elb.autocreate", "elb.id", "elb.ip", "elb.port",
		"elb.subnet-id", "elb.enterpriseid", "elb.lb-algorithm", "elb.pass-through", "elb.protocol-port", "elb.cert-id", "elb.tls-ciphers-policy",
		"elb.tls-certificate-ids", "elb.pool-protocol", "elb.http2-enable", "elb.eip-auto-create-option", "elb.tags", "elb.acl-id",
		"elb.acl-status", "elb.acl-type", "elb.connection-drain-enable", "elb.connection-drain-timeout", "elb.x-forwarded-port",
		"elb.x-forwarded-for-port", "elb.x-forwarded-host", "elb.proxy-protocol-enable", "elb.session-affinity-mode",
		"elb.session-affinity-option", "elb.session-affinity-flag", "elb.health-check-flag", "elb.health-check-option", "elb.health-check-options",
		"elb.keepalive_timeout", "elb.client_timeout", "elb.member_timeout", "neg", "backend-config", "app-protocols", "load-balancer-type",
		"internal-load-balancer-allow-global-access", "v1beta1.frontendconfig", "managed-certificates", "topology-mode", "topology-aware-hints",
		"address-pool", "location", "network-zone", "type", "algorithm-type", "use-private-ip", "uses-proxyprotocol", "disable-private-ingress",
		"node-selector", "keep-floatingip", "flavor-id", "class", "availability-zone", "x-forwarded-for", "cluster-issuer", "issuer",
		"issuer-kind", "issuer-group", "duration", "renew-before", "usages", "revision-history-limit", "issue-temporary-certificate",
		"http01-edit-in-place", "http01-ingress-class", "http01-ingress-ingressclassname", "renew-before-percentage", "subject-organizations",
		"subject-organizationalunits", "subject-countries", "subject-provinces", "subject-localities", "subject-postalcodes",
		"subject-streetaddresses", "subject-serialnumber", "aws-load-balancer-manage-backend-security-group-rules",
		"aws-load-balancer-target-node-labels",
	}
	ownParts = []string{
		"ssl-redirect", "timeout", "health", "session-", "sticky", "cookie", "cors-", "limit-", "-source-range", "proxy-", "canary", "affinity",
		"buffer", "hsts", "private-key-",
	}
	ownEnds = []string{
		"-internal", "-type", "-scheme", "-protocol", "-ssl-cert", "-ssl-ports", "-ssl-negotiation-policy", "-cert-id", "-certificate-id",
		"-subnet", "-subnets", "-subnet-id", "-subnetid", "-security-groups", "-vswitch-id", "-spec", "-bandwidth", "-charge-type", "-scheduler",
		"-tags", "-attributes", "-enabled", "-throttle", "-algorithm", "-size-unit", "-size-slug", "-tls-ports", "-http-ports", "-http2-ports",
		"-protocol-port",
	}
)

// isShared says whether an annotation takes what tenants share, or is not known to take none of it. Controllers compare names as they are
// written, but not all of them.
func isShared(annotation string) bool {
	annotation = strings.ToLower(annotation)
	if endsWithAny(annotation, sharedEnds) {
		return true
	}
	domain, name, ok := strings.Cut(annotation, "/")
	if !ok {
		name = domain
	}
	of := hasAny(domain, controllerDomains) ||
		slices.ContainsFunc(controllerBegins, func(begin string) bool { return strings.HasPrefix(annotation, begin) })
	return of && !isOwn(name)
}

// isOwn says whether a name is known to be about the object's own hosts and pods. Behind a dot some names have one that the tenant chooses.
func isOwn(name string) bool {
	return slices.Contains(ownNames, name) || !strings.Contains(name, ".") && (hasAny(name, ownParts) || endsWithAny(name, ownEnds))
}

func hasAny(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

func endsWithAny(text string, ends []string) bool {
	return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(text, end) })
}

// foreignEnds end the annotations that name a Secret or ConfigMap, as NAMESPACE/NAME where it is another's; traefikEnds those that name objects
// of Traefik's, as NAMESPACE-NAME@kubernetescrd.
var (
	foreignEnds = []string{
		"/auth-secret", "/auth-tls-secret", "/proxy-ssl-secret", "/secure-verify-ca-secret", "/secure-crt-secret", "/auth-proxy-set-headers",
		"/custom-headers", "/fastcgi-params-configmap", "/server-crt", "/server-ca",
	}
	traefikEnds = []string{"/router.middlewares", "/router.tls.options", "/service.serverstransport"}
)

// namesForeign reports whether an annotation of an object in a namespace names what is in another one.
func namesForeign(key, value, namespace string) bool {
	key = strings.ToLower(key)
	if endsWithAny(key, traefikEnds) {
		for name := range strings.SplitSeq(value, ",") {
			if strings.Contains(name, "@kubernetes") && !strings.HasPrefix(strings.TrimSpace(name), namespace+"-") {
				return true
			}
		}
	}
	named, _, other := strings.Cut(value, "/")
	return other && named != namespace && endsWithAny(key, foreignEnds)
}

// podPrefixes begin the annotations by which clouds give pods an account's rights, and network plugins a network or an address that the cluster's
// policies don't hold.
var podPrefixes = []string{
	"eks.amazonaws.com/", "iam.amazonaws.com/", "iam.gke.io/", "azure.workload.identity/", "pod-identity.alibabacloud.com/",
	"k8s.v1.cni.cncf.io/", "v1.multus-cni.io/", "cni.projectcalico.org/", "yangtse.io/", "ovn.kubernetes.io/", "k8s.ovn.org/", "ipam.cilium.io/",
	"cni.cilium.io/",
}
