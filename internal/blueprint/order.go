package blueprint

import (
	"fmt"
	"slices"
	"strings"
)

// Waves sorts stacks into groups: those of a group depend only on earlier
// groups and may come up side by side. Dependencies on stacks that are not
// among them are taken as met. Within a group the order given is kept.
func Waves(stacks []Stack) ([][]Stack, error) {
	pending := make(map[string]bool, len(stacks))
	for _, s := range stacks {
		pending[s.Name] = true
	}
	var waves [][]Stack
	for len(stacks) > 0 {
		var ready, waiting []Stack
		for _, s := range stacks {
			if slices.ContainsFunc(s.DependsOn, func(name string) bool { return pending[name] }) {
				waiting = append(waiting, s)
			} else {
				ready = append(ready, s)
			}
		}
		if ready == nil {
			return nil, fmt.Errorf("stacks depend on each other in a circle: %s", strings.Join(names(waiting), ", "))
		}
		for _, s := range ready {
			delete(pending, s.Name)
		}
		waves = append(waves, ready)
		stacks = waiting
	}
	return waves, nil
}

// Up is an order in which the stacks can be brought up one by one.
func Up(stacks []Stack) ([]Stack, error) {
	waves, err := Waves(stacks)
	if err != nil {
		return nil, err
	}
	return slices.Concat(waves...), nil
}

// Down is an order in which the stacks can be taken down one by one.
func Down(stacks []Stack) ([]Stack, error) {
	order, err := Up(stacks)
	slices.Reverse(order)
	return order, err
}

func names(stacks []Stack) []string {
	list := make([]string, len(stacks))
	for i, s := range stacks {
		list[i] = s.Name
	}
	return list
}
