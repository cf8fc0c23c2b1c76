package wire

import (
	"math"
	"testing"
)

func TestWholeNumbersOfFloatsHaveAPoint(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{60: "60.0", 0: "0.0", -3: "-3.0", 0.5: "0.5", 1e21: "1e+21", math.MaxFloat64: "1.7976931348623157e+308"} {
		if got := string(appendFloat(nil, f)); got != want {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
	}
}
