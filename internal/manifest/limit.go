package manifest

// Limits of AWS that a file can be checked against, each with the page of
// AWS's documentation that states it.
const (
	// Quotas for your Application Load Balancers: per rule, not adjustable.
	maxConditions         = 5
	maxConditionWildcards = 6

	// Instance user data is limited to 16 KiB; the rest is for the
	// cluster's own start-up text. (EC2, "Run commands when you launch")
	maxUserData = 12 << 10

	// A stack has at most 50 tags; ten are left for Slipway's own.
	// (CloudFormation quotas and "Resource tag")
	maxTags = 40

	// CloudFormation quotas: stack names and parameters.
	maxStackName  = 128
	maxParameters = 200
)

func stackPattern() key {
	return text("", now, "Regular expression that a whole stack name must match.")
}

// parameterName and parameterValue: CloudFormation quotas.
func parameterName() key {
	return text("", now, "").matching(`^[A-Za-z0-9]{1,255}$`, "a parameter name of letters and digits, 255 at most")
}

func parameterValue() key { return text("", now, "").upTo(4096) }

// tagName and tagValue: "Tag your AWS resources", naming limits. The prefix
// aws: belongs to AWS; mu: tags are the state that commands read back.
func tagName() key {
	return text("", now, "").upTo(128).
		matching(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$`, "a tag name of letters, digits, spaces and _ . : / = + - @")
}

func tagValue() key {
	return text("", now, "").upTo(256).
		matching(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`, "a tag value of letters, digits, spaces and _ . : / = + - @")
}

func variableName() key {
	return text("", now, "").matching(`^[^=\s\x00]+$`, "a variable name without = and spaces")
}

// pathPattern and hostPattern: "Condition types for listener rules", path
// conditions and host conditions. A path that begins with neither / nor a
// wildcard is accepted by AWS and never matches.
func pathPattern() key {
	return text("", now, "").upTo(128).
		matching(`^[/*?][A-Za-z0-9_.$/~"'@:+&*?-]*$`, `a path that begins with /, of letters, digits and _ - . $ / ~ " ' @ : + &, with the wildcards * and ?`)
}

func hostPattern() key {
	return text("", now, "").upTo(128).
		matching(`^[A-Za-z0-9_*?.-]*\.[A-Za-z0-9*?]+$`, "a host name with at least one dot, of letters, digits and - _ ., with the wildcards * and ?, and only letters after the last dot")
}

func subnet() key {
	return text("", now, "").matching(`^subnet-[A-Za-z0-9]+$`, "an id such as subnet-0a1b2c3d")
}

func role(name, about string) key {
	return text(name, now, about).matching(`^arn:aws[a-z-]*:iam::[0-9]{12}:(role|instance-profile)/.+$`, "the ARN of a role")
}

func texts(name, about string) key { return textsIn(name, now, about) }

func textsIn(name string, s state, about string) key {
	return list(name, s, text("", now, ""), about)
}
