package elbv2

import (
	"net/netip"
	"regexp"
	"slices"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/service/elbv2/dataplane"
	"slipway.dev/internal/twin/wire"
)

// conditionFields are the fields of rule conditions.
var conditionFields = []string{"path-pattern", "host-header", "http-header", "http-request-method", "query-string", "source-ip"}

// checkConditions checks the conditions of a rule and brings them into the form in which AWS returns them.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
func checkConditions(given []api.RuleCondition) ([]api.RuleCondition, error) {
	if len(given) == 0 {
		return nil, invalid("A rule must have at least one condition")
	}
	conditions := slices.Clone(given)
	counts, values := map[string]int{}, 0
	for i := range conditions {
		c := &conditions[i]
		if err := checkCondition(c); err != nil {
			return nil, err
		}
		counts[*c.Field]++
		values += countValues(*c)
	}
	for _, field := range []string{"path-pattern", "host-header", "http-request-method", "source-ip"} {
		if counts[field] > 1 {
			return nil, invalid("A rule can only have one '%s' condition", field)
		}
	}
	if values > mostConditionValues {
		return nil, invalid("A rule can only have '%d' condition values", mostConditionValues)
	}
	return conditions, nil
}

// checkCondition checks one condition. The old form, with Values beside Field, is known for paths and hosts.
func checkCondition(c *api.RuleCondition) error {
	field := wire.Value(c.Field)
	if !slices.Contains(conditionFields, field) {
		return invalid("Condition field '%s' must be one of '%v'", field, conditionFields)
	}
	switch field {
	case "path-pattern":
		return checkPath(c)
	case "host-header":
		return checkHost(c)
	case "http-header":
		return checkHeader(c.HttpHeaderConfig)
	case "http-request-method":
		return checkMethod(c.HttpRequestMethodConfig)
	case "query-string":
		return checkQuery(c.QueryStringConfig)
	}
	return checkSource(c.SourceIpConfig)
}

var (
	pathCharacters   = regexp.MustCompile(`^[a-zA-Z0-9_\-.$/~"'@:+&*?()!,;=%\[\]|^#<>{}]{1,128}$`)
	hostCharacters   = regexp.MustCompile(`^[a-zA-Z0-9\-.*?]{1,128}$`)
	headerCharacters = regexp.MustCompile("^[a-zA-Z0-9*?!#$%&'+\\-.^_`|~]{1,40}$")
	methodCharacters = regexp.MustCompile(`^[A-Z\-_]{1,40}$`)
)

func checkPath(c *api.RuleCondition) error {
	if c.PathPatternConfig == nil {
		c.PathPatternConfig = &api.PathPatternConditionConfig{Values: c.Values, RegexValues: c.RegexValues}
	}
	if err := checkPatterns(*c.Field, c.PathPatternConfig.Values, c.PathPatternConfig.RegexValues, pathCharacters); err != nil {
		return err
	}
	c.Values, c.RegexValues = c.PathPatternConfig.Values, c.PathPatternConfig.RegexValues
	return nil
}

func checkHost(c *api.RuleCondition) error {
	if c.HostHeaderConfig == nil {
		c.HostHeaderConfig = &api.HostHeaderConditionConfig{Values: c.Values, RegexValues: c.RegexValues}
	}
	if err := checkPatterns(*c.Field, c.HostHeaderConfig.Values, c.HostHeaderConfig.RegexValues, hostCharacters); err != nil {
		return err
	}
	c.Values, c.RegexValues = c.HostHeaderConfig.Values, c.HostHeaderConfig.RegexValues
	return nil
}

func checkPatterns(field string, values, expressions []string, characters *regexp.Regexp) error {
	if len(values)+len(expressions) == 0 {
		return invalid("A '%s' condition must have at least one value", field)
	}
	for _, v := range values {
		if !characters.MatchString(v) {
			return invalid("The condition value '%s' of field '%s' contains characters that are not valid, or is not between 1 and 128 characters long", v, field)
		}
	}
	for _, e := range expressions {
		if _, err := regexp.Compile(e); err != nil || len(e) > 128 {
			return invalid("The regular expression '%s' of field '%s' is not valid", e, field)
		}
	}
	return nil
}

func checkHeader(h *api.HttpHeaderConditionConfig) error {
	if h == nil || !headerCharacters.MatchString(wire.Value(h.HttpHeaderName)) {
		return invalid("An 'http-header' condition must have the name of a header, of 1 to 40 characters")
	}
	if wire.Value(h.HttpHeaderName) == "Host" || wire.Value(h.HttpHeaderName) == "host" {
		return invalid("The header name of an 'http-header' condition cannot be 'Host'; use a 'host-header' condition")
	}
	return checkPatterns("http-header", h.Values, h.RegexValues, regexp.MustCompile(`^[ -~]{1,128}$`))
}

func checkMethod(m *api.HttpRequestMethodConditionConfig) error {
	if m == nil || len(m.Values) == 0 {
		return invalid("An 'http-request-method' condition must have at least one value")
	}
	for _, v := range m.Values {
		if !methodCharacters.MatchString(v) {
			return invalid("The condition value '%s' of field 'http-request-method' is not valid: A-Z, - and _ are", v)
		}
	}
	return nil
}

func checkQuery(q *api.QueryStringConditionConfig) error {
	if q == nil || len(q.Values) == 0 {
		return invalid("A 'query-string' condition must have at least one value")
	}
	for _, v := range q.Values {
		if n := len(wire.Value(v.Value)); n == 0 || n > 128 || len(wire.Value(v.Key)) > 128 {
			return invalid("A 'query-string' condition must have values of 1 to 128 characters")
		}
	}
	return nil
}

func checkSource(s *api.SourceIpConditionConfig) error {
	if s == nil || len(s.Values) == 0 {
		return invalid("A 'source-ip' condition must have at least one value")
	}
	for _, v := range s.Values {
		if _, err := netip.ParsePrefix(v); err != nil {
			return invalid("The condition value '%s' of field 'source-ip' is not a valid CIDR", v)
		}
	}
	return nil
}

func countValues(c api.RuleCondition) int {
	n := len(c.Values) + len(c.RegexValues)
	if c.HttpHeaderConfig != nil {
		n += len(c.HttpHeaderConfig.Values) + len(c.HttpHeaderConfig.RegexValues)
	}
	if c.HttpRequestMethodConfig != nil {
		n += len(c.HttpRequestMethodConfig.Values)
	}
	if c.QueryStringConfig != nil {
		n += len(c.QueryStringConfig.Values)
	}
	if c.SourceIpConfig != nil {
		n += len(c.SourceIpConfig.Values)
	}
	return n
}

// servedConditions turns checked conditions into those of the data plane.
func servedConditions(conditions []api.RuleCondition) []dataplane.Condition {
	out := make([]dataplane.Condition, len(conditions))
	for i, c := range conditions {
		out[i] = dataplane.Condition{Field: dataplane.ConditionField(*c.Field), Values: c.Values, Regex: c.RegexValues}
		switch *c.Field {
		case "http-header":
			out[i].Header, out[i].Values, out[i].Regex = wire.Value(c.HttpHeaderConfig.HttpHeaderName), c.HttpHeaderConfig.Values, c.HttpHeaderConfig.RegexValues
		case "http-request-method":
			out[i].Values = c.HttpRequestMethodConfig.Values
		case "query-string":
			for _, pair := range c.QueryStringConfig.Values {
				out[i].Query = append(out[i].Query, dataplane.QueryPair{Key: wire.Value(pair.Key), Value: wire.Value(pair.Value)})
			}
		case "source-ip":
			for _, cidr := range c.SourceIpConfig.Values {
				out[i].CIDRs = append(out[i].CIDRs, netip.MustParsePrefix(cidr))
			}
		}
	}
	return out
}
