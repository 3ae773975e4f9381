package e2e_test

import (
	"context"
	"regexp"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

// used finds a container's memory among a kubelet's metrics: container, pod, bytes.
var used = regexp.MustCompile(`(?m)^container_memory_working_set_bytes\{container="([^"]+)",namespace="` + systemNamespace + `",pod="([^"]+)"\} (\S+)`)

// memoryInUse compares what the operator's containers hold with what the chart asks for.
func memoryInUse(ctx context.Context) {
	GinkgoHelper()
	var nodes corev1.NodeList
	Expect(world.kube.List(ctx, &nodes)).To(Succeed())
	seen := 0
	for _, node := range nodes.Items {
		output, err := kubectl(ctx, "", "get", "--raw", "/api/v1/nodes/"+node.Name+"/proxy/metrics/resource")
		if err != nil {
			remark("node %s does not tell how much memory its pods use", node.Name)
			continue
		}
		for _, container := range used.FindAllStringSubmatch(output, -1) {
			seen++
			bytes, err := strconv.ParseFloat(container[3], 64)
			Expect(err).NotTo(HaveOccurred())
			request := requestOf(ctx, container[1])
			remark("%s: %.0f MiB of memory in use, %d MiB asked for", container[2], bytes/(1<<20), request>>20)
			Expect(bytes).To(BeNumerically("<=", request), container[2]+" uses more memory than the chart asks for")
		}
	}
	if seen == 0 {
		Skip("no node tells how much memory its pods use")
	}
}

// requestOf is the memory that the chart asks for, in bytes.
func requestOf(ctx context.Context, component string) int64 {
	GinkgoHelper()
	pods, err := operatorPods(ctx, component)
	Expect(err).NotTo(HaveOccurred())
	Expect(pods).NotTo(BeEmpty())
	return pods[0].Spec.Containers[0].Resources.Requests.Memory().Value()
}
