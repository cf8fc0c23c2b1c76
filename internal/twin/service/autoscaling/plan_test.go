package autoscaling

import (
	"fmt"
	"testing"

	api "slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/wire"
)

func TestPlanKeepsTheZonesEven(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		desired int
		have    string // a letter an instance: its zone; upper case is protected
		want    string
	}{
		{0, "", "launch [] end []"},
		{4, "", "launch [a b c a] end []"},
		{3, "aa", "launch [b] end []"},
		{2, "ab", "launch [] end []"},
		{1, "aab", "launch [] end [i0 i1]"},
		{0, "ab", "launch [] end [i0 i1]"},
		{1, "abbb", "launch [] end [i1 i2 i0]"},
		{0, "Ab", "launch [] end [i1]"},
	} {
		g := group{AvailabilityZones: []string{"a", "b", "c"}, DesiredCapacity: c.desired}
		for i, zone := range c.have {
			protected := zone < 'a'
			if protected {
				zone += 'a' - 'A'
			}
			g.Instances = append(g.Instances, api.Instance{InstanceId: fmt.Sprint("i", i), AvailabilityZone: string(zone), ProtectedFromScaleIn: protected})
		}
		launch, end := plan(g)
		if got := fmt.Sprintf("launch %v end %v", launch, end); got != c.want {
			t.Errorf("%d of %q: %s, want %s", c.desired, c.have, got, c.want)
		}
	}
}

func TestGroupsThatAreNone(t *testing.T) {
	t.Parallel()
	zones, template := []string{"a"}, &api.LaunchTemplateSpecification{}
	for name, g := range map[string]group{
		"no template":   {AvailabilityZones: zones},
		"configuration": {AvailabilityZones: zones, LaunchConfigurationName: new("x")},
		"bounds":        {AvailabilityZones: zones, LaunchTemplate: template, MinSize: 2, MaxSize: 1, DesiredCapacity: 2},
		"desired":       {AvailabilityZones: zones, LaunchTemplate: template, MinSize: 1, MaxSize: 2, DesiredCapacity: 3},
		"nowhere":       {LaunchTemplate: template},
	} {
		if err := check(g); !wire.HasCode(err, "ValidationError") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
