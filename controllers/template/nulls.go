package template

import "strings"

// withoutNulls takes the fields without a value out of an object, as the API server reads them: a null is the field left out, in
// a map of texts it is the empty text, and a volume that names no source is an emptyDir. Objects of kinds that the cluster does not
// bring itself keep theirs, since a CustomResourceDefinition may give null a meaning.
func withoutNulls(content map[string]any) {
	metadata, _ := content["metadata"].(map[string]any)
	dropNulls("metadata", metadata)
	version, _ := content["apiVersion"].(string)
	group, _, grouped := strings.Cut(version, "/")
	if grouped && !ownGroups[group] {
		return
	}
	for key, value := range content {
		if value == nil {
			delete(content, key)
			continue
		}
		if key != "metadata" {
			dropNulls(key, value)
		}
	}
}

// ownGroups are the API groups of the cluster itself whose types give null no meaning.
var ownGroups = map[string]bool{
	"apps": true, "batch": true, "autoscaling": true, "policy": true, "networking.k8s.io": true, "scheduling.k8s.io": true,
	"rbac.authorization.k8s.io": true, "storage.k8s.io": true, "coordination.k8s.io": true, "discovery.k8s.io": true,
}

// textMaps are the fields that are maps of texts.
var textMaps = map[string]bool{
	"labels": true, "annotations": true, "data": true, "stringData": true, "matchLabels": true, "nodeSelector": true,
}

// dropNulls does it for the value of a field.
func dropNulls(field string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			switch {
			case inner == nil && textMaps[field]:
				value[key] = ""
			case inner == nil:
				delete(value, key)
			default:
				dropNulls(key, inner)
			}
		}
	case []any:
		for _, item := range value {
			dropNulls("", item)
			if volume, ok := item.(map[string]any); ok && field == "volumes" && len(volume) == 1 && volume["name"] != nil {
				volume["emptyDir"] = map[string]any{}
			}
		}
	}
}
