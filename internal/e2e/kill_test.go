package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// rounds is how often the twin is killed while it brings the project up.
const rounds = 10

// seed is that of the random moments; SLIPWAY_SEED repeats a run.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if text := os.Getenv("SLIPWAY_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SLIPWAY_SEED=%d", n)
	return rand.New(rand.NewPCG(n, n))
}

// TestTheTwinIsKilledDuringUp kills it at random moments of up, and looks at what became of stacks and containers at the end.
func TestTheTwinIsKilledDuringUp(t *testing.T) {
	t.Parallel()
	random := seed(t)
	m := newMachine(t)
	for round := range rounds {
		m.project(fmt.Sprint(round), "", 2)
		up := m.start("up")
		moment := time.Duration(random.IntN(2500)) * time.Millisecond
		select {
		case <-time.After(moment):
		case r := <-up.ended:
			up.ended <- r
		}
		m.killTwin()
		m.startTwin()
		r := up.wait()
		t.Logf("round %d: killed after %s, up ended with %d", round, moment, r.code)
		m.settled()
	}
	m.project("last", "", 2)
	address := m.up()
	eventually(t, 30*time.Second, "the last version answers", expect(address, "version last"))
	eventually(t, 60*time.Second, "two containers, those of the tasks", func() error { return m.tasksAreContainers(2) })
}

// settled waits until no stack has an operation under way, and checks that each is complete or rolled back.
func (m *machine) settled() {
	m.t.Helper()
	client := cloudformation.NewFromConfig(m.config())
	fine := []cfntypes.StackStatus{cfntypes.StackStatusCreateComplete, cfntypes.StackStatusUpdateComplete, cfntypes.StackStatusRollbackComplete,
		cfntypes.StackStatusUpdateRollbackComplete, cfntypes.StackStatusReviewInProgress}
	eventually(m.t, 90*time.Second, "every stack is complete or rolled back", func() error {
		list, err := client.DescribeStacks(m.t.Context(), &cloudformation.DescribeStacksInput{})
		if err != nil {
			return err
		}
		for _, s := range list.Stacks {
			if !slices.Contains(fine, s.StackStatus) {
				return fmt.Errorf("%s is %s", *s.StackName, s.StackStatus)
			}
		}
		return nil
	})
}

// tasksAreContainers compares what ECS says with what the engine runs.
func (m *machine) tasksAreContainers(want int) error {
	client := ecs.NewFromConfig(m.config())
	cluster := aws.String("e2e-environment-dev")
	list, err := client.ListTasks(m.t.Context(), &ecs.ListTasksInput{Cluster: cluster})
	if err != nil {
		return err
	}
	if len(list.TaskArns) != want {
		return fmt.Errorf("%d tasks, want %d", len(list.TaskArns), want)
	}
	described, err := client.DescribeTasks(m.t.Context(), &ecs.DescribeTasksInput{Cluster: cluster, Tasks: list.TaskArns})
	if err != nil {
		return err
	}
	var told []string
	for _, task := range described.Tasks {
		for _, c := range task.Containers {
			told = append(told, aws.ToString(c.RuntimeId))
		}
	}
	slices.Sort(told)
	if run := m.containers(); !slices.Equal(told, run) {
		return fmt.Errorf("ECS tells of containers %v, the engine runs %v", told, run)
	}
	if n := len(m.all()); n != 2*want {
		return fmt.Errorf("%d containers in all, want %d: one and a pause for each task", n, 2*want)
	}
	return nil
}

// TestAKilledTwinLeavesItsContainersAlone: the same containers run before and after, and traffic resumes.
func TestAKilledTwinLeavesItsContainersAlone(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.project("1", "", 2)
	address := m.up()
	before := m.containers()
	for range 3 {
		m.killTwin()
		if now := m.containers(); !slices.Equal(now, before) {
			t.Fatalf("containers %v before, %v while the twin is dead", before, now)
		}
		m.startTwin()
		eventually(t, 20*time.Second, "traffic resumes", expect(address, "version 1"))
	}
	if err := m.tasksAreContainers(2); err != nil {
		t.Error(err)
	}
	if now := m.containers(); !slices.Equal(now, before) {
		t.Errorf("containers %v before, %v after", before, now)
	}
	m.must("up").says(t, "No changes: service web")
}
