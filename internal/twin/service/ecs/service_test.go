package ecs_test

import (
	"strings"
	"testing"
)

func TestAServiceRunsItsTasks(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	w.create("web", w.register("web", nil, nil), 2, nil)
	v := w.awaitSteady("web")
	tasks := w.tasks("web", "RUNNING")
	if len(tasks) != 2 {
		t.Fatalf("%d tasks", len(tasks))
	}
	for _, task := range tasks {
		if got := w.get(w.dial(task, 8080), "/"); got != "hello from web" {
			t.Errorf("answer: %q", got)
		}
	}
	for _, want := range []string{"has started 2 tasks: (task ", "deployment completed.", "(service web) has reached a steady state."} {
		if !strings.Contains(events(v), want) {
			t.Errorf("no event %q in\n%s", want, events(v))
		}
	}
}
