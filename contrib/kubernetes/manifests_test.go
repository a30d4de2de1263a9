// Package kubernetes checks the manifests of this directory against the types of the Kubernetes API.
package kubernetes

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// decode reads one document strictly: unknown and repeated fields are errors. It returns the pods' template, if there is one, and
// the selector of the object.
func decode(t *testing.T, doc []byte) (*corev1.PodTemplateSpec, map[string]string) {
	t.Helper()
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &kind); err != nil {
		t.Fatal(err)
	}
	strict := func(into any) {
		t.Helper()
		if err := yaml.UnmarshalStrict(doc, into); err != nil {
			t.Fatalf("%s: %v", kind.Kind, err)
		}
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Service":
		var o corev1.Service
		strict(&o)
		if o.Spec.ClusterIP != corev1.ClusterIPNone || !o.Spec.PublishNotReadyAddresses {
			t.Error("the Service isn't headless, or hides who isn't ready")
		}
		return nil, o.Spec.Selector
	case "batch/v1 Job":
		var o batchv1.Job
		strict(&o)
		return &o.Spec.Template, nil
	case "apps/v1 DaemonSet":
		var o appsv1.DaemonSet
		strict(&o)
		return &o.Spec.Template, o.Spec.Selector.MatchLabels
	case "apps/v1 Deployment":
		var o appsv1.Deployment
		strict(&o)
		return &o.Spec.Template, o.Spec.Selector.MatchLabels
	}
	t.Fatalf("a document of an unknown kind: %+v", kind)
	return nil, nil
}

func TestManifests(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	var service map[string]string
	templates := map[string]*corev1.PodTemplateSpec{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(b, []byte("\n---\n")) {
			pod, selector := decode(t, doc)
			switch {
			case pod == nil:
				service = selector
				continue
			case !contains(pod.Labels, selector):
				t.Errorf("%s: its selector doesn't choose its pods", name)
			}
			templates[name] = pod
		}
	}
	for name, pod := range templates {
		if service == nil || !contains(pod.Labels, service) {
			t.Errorf("%s: the Service doesn't choose its pods", name)
		}
		checkPod(t, name, &pod.Spec)
	}
}

// contains tells whether labels have all of want.
func contains(labels, want map[string]string) bool {
	for key := range maps.Keys(want) {
		if labels[key] != want[key] {
			return false
		}
	}
	return true
}

// checkPod checks what the API can't: that what is mounted is there, and that p2pcp may write where it is told to.
func checkPod(t *testing.T, name string, pod *corev1.PodSpec) {
	t.Helper()
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	found := false
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		writable := map[string]bool{}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s: %s mounts %s, which isn't there", name, c.Name, m.Name)
			}
			writable[m.MountPath] = !m.ReadOnly
		}
		if c.Name != "get" {
			continue
		}
		found = true
		to := c.Args[slices.Index(c.Args, "-o")+1]
		if c.Args[0] != "get" || !writable[strings.TrimSuffix(to, "/")] || !writable["/tmp"] {
			t.Errorf("%s: args %v, mounts %v", name, c.Args, writable)
		}
		if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			t.Errorf("%s: the root file system can be written", name)
		}
	}
	if !found || pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot {
		t.Errorf("%s: no container named get, or root", name)
	}
}
