package directory

import (
	"context"
	"errors"
	"time"

	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/directory/store"
)

// pass reads the instance, does the work, writes what that says, and makes an event when the condition has become False. The Secrets of
// an instance that is being deleted go with it.
func (r *Reconciler) pass(ctx context.Context, req ctrl.Request, work func(context.Context, *v1alpha1.MarketplaceInstance) (report.Verdict, error),
) (ctrl.Result, error) {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := r.Get(ctx, req.NamespacedName, mpi); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !mpi.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	before, condition := mpi.DeepCopy(), v1alpha1.ConditionDirectorySynced
	said, err := work(ctx, mpi)
	report.Set(&mpi.Status.Conditions, condition, failedWith(said, err), mpi.Generation, time.Time{})
	unwritten := statusOwner.Apply(ctx, r.Client, before, mpi)
	if unwritten == nil {
		report.Announcement{Condition: condition, Action: "Synchronize", OnlyFalse: true}.Announce(r.Recorder, mpi,
			before.Status.Conditions, mpi.Status.Conditions, nil)
	}
	result := ctrl.Result{Priority: ptr.To(queue.PriorityNormal)}
	if err := errors.Join(err, unwritten); err != nil {
		return result, err
	}
	result.RequeueAfter = said.After
	return result, nil
}

// failing is a problem of a directory that stays until somebody acts.
func failing(reason, message string) report.Verdict {
	return report.False(reason, message).Again(queue.DirectoryProblemRetry)
}

// failedWith is a verdict after a pass that may have failed: one that failed before it learned anything says only that.
func failedWith(v report.Verdict, err error) report.Verdict {
	if v.Absent && err == nil || v.Status != "" {
		return v
	}
	return report.Unknown(v1alpha1.ReasonDirectoryFailed, "Reading or writing the directory failed; retrying")
}

// unreadable reports a store.UnreadableError; other errors pass.
func unreadable(err error) (report.Verdict, error) {
	var broken *store.UnreadableError
	if errors.As(err, &broken) {
		return failing(v1alpha1.ReasonDirectoryUnreadable, broken.Error()), nil
	}
	return report.Verdict{}, err
}
