package ecs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	api "slipway.dev/internal/twin/api/ecs"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"256": 256, ".25 vCPU": 256, "1vcpu": 1024, "2 VCPU": 2048, "": 0, "much": 0} {
		if got := cpuUnits(text); got != want {
			t.Errorf("cpu %q is %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]int{"512": 512, "0.5GB": 512, "1 gb": 1024, "": 0, "much": 0} {
		if got := memoryMiB(text); got != want {
			t.Errorf("memory %q is %d, want %d", text, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"/bin/sh":                    {"/bin/sh"},
		`sh -c "echo 'a b' \"c\""`:   {"sh", "-c", `echo 'a b' "c"`},
		`  a\ b   '' "c"d `:          {"a b", "", "cd"},
		`echo 'it'\''s' 'back\tick'`: {"echo", "it's", `back\tick`},
	} {
		if got, err := words(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %q, %v", text, got, err)
		}
	}
	for _, text := range []string{`a "b`, `a 'b`, `a \`} {
		if got, err := words(text); err == nil {
			t.Errorf("%s is %q", text, got)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add(`sh -c "echo 'a b'"`)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := words(text)
		if err != nil || strings.ContainsRune(text, '\uFFFD') {
			return
		}
		quoted := ""
		for _, w := range list {
			quoted += " '" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		if again, err := words(quoted); err != nil || !slices.Equal(again, list) {
			t.Errorf("%q became %q, %v", list, again, err)
		}
	})
}

func TestASessionIsForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &Service{}
		for age, want := range map[time.Duration]bool{sessionLife: true, sessionLife + time.Second: false} {
			all := &sessions{}
			all.add(session{id: "one", expires: s.Clock.Now().Add(sessionLife), service: s})
			time.Sleep(age)
			if _, ok := all.take("one"); ok != want {
				t.Errorf("after %v: %v", age, ok)
			}
			if _, ok := all.take("one"); ok {
				t.Error("it is taken twice")
			}
		}
	})
}

func TestChoosingAnInstance(t *testing.T) {
	t.Parallel()
	d := definition{TaskDefinition: api.TaskDefinition{NetworkMode: new("bridge"), ContainerDefinitions: []api.ContainerDefinition{
		{Name: new("web"), Cpu: new(512), Memory: new(1000), PortMappings: []api.PortMapping{{ContainerPort: new(80), HostPort: new(80)}}}}}}
	used := func(cpu, memory, tasks int, ports ...int) instance {
		return instance{ARN: fmt.Sprintf("i-%d", tasks), CPU: 2048, Memory: 4000, used: resources{cpu, memory, tasks, ports}}
	}
	for name, c := range map[string]struct {
		list   []instance
		want   string
		reason string
	}{
		"none":                {reason: "No Container Instances were found in your cluster."},
		"the emptiest":        {list: []instance{used(0, 0, 2), used(0, 0, 1), used(0, 0, 3)}, want: "i-1"},
		"the one with memory": {list: []instance{used(0, 3500, 1), used(0, 3000, 2)}, want: "i-2"},
		"no memory":           {list: []instance{used(0, 3001, 1)}, reason: "The closest matching (container-instance i-1) has insufficient memory available."},
		"no CPU":              {list: []instance{used(1600, 0, 1)}, reason: "The closest matching (container-instance i-1) has insufficient CPU units available."},
		"the port is taken":   {list: []instance{used(0, 0, 1, 80)}, reason: "The closest matching (container-instance i-1) is already using a port required by your task."},
	} {
		chosen, reason := choose(c.list, d)
		if c.want == "" && (chosen != nil || reason != c.reason) || c.want != "" && (chosen == nil || chosen.ARN != c.want) {
			t.Errorf("%s: %+v, %q", name, chosen, reason)
		}
	}
}

func TestSharingOutByStrategy(t *testing.T) {
	t.Parallel()
	strategy := []api.CapacityProviderStrategyItem{{CapacityProvider: "FARGATE", Base: new(2), Weight: new(1)}, {CapacityProvider: "FARGATE_SPOT", Weight: new(3)}}
	count := map[string]int{}
	for range 10 {
		count[shareOut(strategy, count)]++
	}
	if count["FARGATE"] != 4 || count["FARGATE_SPOT"] != 6 {
		t.Errorf("%v", count)
	}
	if got := shareOut(strategy[:1], map[string]int{"FARGATE": 9}); got != "FARGATE" {
		t.Errorf("the only one: %q", got)
	}
}

func TestOrderOfContainers(t *testing.T) {
	t.Parallel()
	on := func(name, condition string) []api.ContainerDependency {
		return []api.ContainerDependency{{ContainerName: name, Condition: condition}}
	}
	d := definition{TaskDefinition: api.TaskDefinition{ContainerDefinitions: []api.ContainerDefinition{
		{Name: new("web"), DependsOn: on("db", "HEALTHY")}, {Name: new("db")}, {Name: new("side"), DependsOn: on("web", "START")}, {Name: new("after"), DependsOn: on("init", "SUCCESS")}, {Name: new("init")}}}}
	if got := fmt.Sprint(stopOrder(d)); got != "[[side after] [web init] [db]]" {
		t.Errorf("stops in order %s", got)
	}
	up := container{Status: taskRunning, Ready: true, Health: healthUnknown}
	for name, c := range map[string]struct {
		db, init container
		ready    string
		waiting  int
		hopeless bool
	}{
		"nothing yet":   {ready: "db init", waiting: 3},
		"started":       {db: up, init: up, waiting: 3},
		"healthy":       {db: container{Status: taskRunning, Ready: true, Health: healthy}, init: up, ready: "web", waiting: 2},
		"unhealthy":     {db: container{Status: taskRunning, Ready: true, Health: unhealthy}, init: up, hopeless: true},
		"init done":     {db: up, init: container{Status: taskStopped, Ready: true, Exit: new(0)}, ready: "after", waiting: 2},
		"init has lost": {db: up, init: container{Status: taskStopped, Ready: true, Exit: new(1)}, hopeless: true},
	} {
		task := task{Containers: []container{{Name: "web"}, c.db, {Name: "side"}, {Name: "after"}, c.init}}
		task.Containers[1].Name, task.Containers[4].Name = "db", "init"
		ready, waiting, hopeless := nextContainers(task, d)
		var names []string
		for _, r := range ready {
			names = append(names, *r.Name)
		}
		if strings.Join(names, " ") != c.ready || waiting != c.waiting || (hopeless != "") != c.hopeless {
			t.Errorf("%s: ready %v, %d wait, %q", name, names, waiting, hopeless)
		}
	}
}
