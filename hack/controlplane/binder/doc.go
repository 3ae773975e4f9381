// Package binder gives claims of StorageClass "demo" their volumes, as an external provisioner does.
//
// Workflow: EnsureClass makes the StorageClass, which is the default one so that plain claims bind too. Run watches
// claims and volumes. For a pending claim of the class it makes a PersistentVolume of the size and the access modes that
// were asked for; Kubernetes then binds the two. A volume of ours whose claim is gone (phase Released) is deleted.
//
// With a real node the volumes are folders of it, which are made and removed here. On the simulated one they are hostPath
// folders that nobody ever touches.
package binder
