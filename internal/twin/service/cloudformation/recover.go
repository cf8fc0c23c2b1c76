package cloudformation

import (
	"context"
	"slices"

	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// CancelUpdateStack makes an update that is under way roll back.
func (s *Service) CancelUpdateStack(ctx context.Context, in *api.CancelUpdateStackInput) (*api.CancelUpdateStackOutput, error) {
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.find(ctx, tx, in.StackName)
		if err != nil {
			return err
		}
		if st.Status != "UPDATE_IN_PROGRESS" {
			return wire.Errorf("ValidationError", "CancelUpdateStack cannot be called from current stack status")
		}
		st.Operation.Cancelled = true
		tx.AfterCommit(s.Changed.Notify)
		return s.save(ctx, tx, st)
	})
	return &api.CancelUpdateStackOutput{}, err
}

// ContinueUpdateRollback tries a rollback that failed once more, without the resources that the caller gives up.
func (s *Service) ContinueUpdateRollback(ctx context.Context, in *api.ContinueUpdateRollbackInput) (*api.ContinueUpdateRollbackOutput, error) {
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.find(ctx, tx, in.StackName)
		if err != nil {
			return err
		}
		if st.Status != "UPDATE_ROLLBACK_FAILED" {
			return wire.Errorf("ValidationError", "Stack:%s is in %s state and can not continue update rollback.", st.ID, st.Status)
		}
		if err := s.giveUpOn(ctx, tx, st, in.ResourcesToSkip); err != nil {
			return err
		}
		op := stackOperation{Kind: "continueUpdateRollback", Phase: back, Target: st.Current, Source: st.Current, Token: wire.Value(in.ClientRequestToken)}
		return s.begin(ctx, tx, &st, op, "UPDATE_ROLLBACK_IN_PROGRESS")
	})
	return &api.ContinueUpdateRollbackOutput{}, err
}

// giveUpOn leaves resources as they are: the rollback takes them for restored.
func (s *Service) giveUpOn(ctx context.Context, tx *store.Tx, st stack, skipped []string) error {
	list, err := s.resourcesOf(ctx, tx, st.ID)
	if err != nil {
		return err
	}
	for _, id := range skipped {
		i := slices.IndexFunc(list, func(r stackResource) bool { return r.LogicalID == id })
		if i < 0 || list[i].Status != "UPDATE_FAILED" {
			return wire.Errorf("ValidationError", "Resource %s is not in the UPDATE_FAILED state and can not be skipped.", id)
		}
		list[i].Before = nil
		if err := s.mark(ctx, tx, st, &list[i], "UPDATE_COMPLETE", "Resource skipped in the rollback"); err != nil {
			return err
		}
	}
	return nil
}
