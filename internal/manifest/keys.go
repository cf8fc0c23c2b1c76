package manifest

import "sync"

// Patterns of names. mu refused names of one character; nothing in AWS does.
const (
	namespacePattern = `^[A-Za-z][A-Za-z0-9-]{0,62}$`
	namespaceWords   = "a letter, then letters, digits and dashes, 63 characters at most"
	namePattern      = `^[A-Za-z0-9][A-Za-z0-9-]{0,62}$`
	nameWords        = "a letter or digit, then letters, digits and dashes, 63 characters at most"
)

func name(named, about string) key { return text(named, now, about).matching(namePattern, nameWords) }

// fileKeys is the whole file. To support a key that is here already, change
// its state from later to now and give it a field in the structs.
var fileKeys = sync.OnceValue(func() *key {
	root := mapping("", now, "A Slipway manifest: the environments and the service of one repository.", []key{
		text("namespace", now, "First word of every stack name, so that several systems can share an account.").
			matching(namespacePattern, namespaceWords),
		list("environments", now, mapping("", now, "One environment.", environmentKeys()),
			"The environments that services can be deployed to."),
		mapping("service", now, "The service that this repository builds.", serviceKeys()),
		open("templates", now, stackPattern(), key{shape: patchShape, state: now},
			"Partial CloudFormation templates, merged into the stacks whose names match."),
		open("parameters", now, stackPattern(), open("", now, parameterName(), parameterValue(), "Parameters by name."),
			"Stack parameters to set or add in the stacks whose names match."),
		open("tags", now, stackPattern(), open("", now, tagName(), tagValue(), "Tags by name.").upTo(maxTags),
			"Tags to add to the stacks whose names match."),
		list("extensions", later, mapping("", now, "", []key{
			text("url", now, "Folder or archive of the extension."),
			text("image", now, "Container image of the extension."),
		}), "Extensions that change templates."),
		yesno("disableIAM", later, "Never create, update or delete IAM stacks."),
		mapping("roles", later, "Roles that exist already.", []key{
			role("cloudFormation", "Role handed to CloudFormation."),
		}),
		list("rbac", later, mapping("", now, "", []key{
			text("role", now, "Kubernetes role.").oneOf("admin", "view", "deploy"),
			texts("environments", "Environments the binding is limited to."),
			texts("users", "IAM users bound to the role."),
			texts("services", "Services whose pipelines are bound to the role."),
		}), "Access to EKS environments."),
		mapping("catalog", later, "Pipelines offered through Service Catalog.", []key{
			texts("iamUsers", "IAM users who may use the catalog."),
			list("pipelines", now, mapping("", now, "", []key{
				text("name", now, "Name of the product."),
				text("description", now, "What the pipeline is for."),
				open("versions", now, key{}, mapping("", now, "", pipelineKeys()), "Versions of the pipeline."),
			}), "Pipelines of the catalog."),
		}),
	})
	return &root
})

func environmentKeys() []key {
	return []key{
		name("name", "Name of the environment, part of its stacks' names.").must(),
		text("provider", now, "What containers run on: ecs is a cluster of EC2 instances, ecs-fargate is Fargate.").
			oneOf(ProviderECS, ProviderFargate).orLater("ec2", "eks", "eks-fargate").or(ProviderECS),
		mapping("cluster", now, "The EC2 instances of an ecs environment.", clusterKeys()),
		mapping("loadbalancer", now, "The load balancer of the environment.", []key{
			yesno("internal", now, "Reachable only from inside the network.").or("false"),
			text("hostedzone", later, "Route 53 zone to put a name in."),
			text("name", later, "Host name in the hosted zone."),
			text("certificate", later, "Id of an ACM certificate for HTTPS."),
			mapping("accessLogs", later, "Access logs of the load balancer.", []key{
				text("s3BucketName", now, "Bucket that exists already."),
				text("s3Prefix", now, "Prefix of the log objects."),
			}),
		}),
		mapping("discovery", later, "Service discovery.", []key{
			text("provider", now, "Kind of service discovery."),
			text("name", now, "Private DNS namespace."),
		}),
		mapping("vpcTarget", now, "A network that exists already, to use instead of a new one.", []key{
			text("vpcId", now, "Id of the VPC.").matching(`^vpc-[A-Za-z0-9]+$`, "an id such as vpc-0a1b2c3d"),
			list("instanceSubnetIds", now, subnet(), "Subnets of instances and tasks."),
			list("elbSubnetIds", now, subnet(), "Subnets of the load balancer, in two availability zones at least."),
			name("environment", "Environment whose VPC is shared."),
			text("namespace", now, "Namespace of that environment; the manifest's own by default.").
				matching(namespacePattern, namespaceWords),
		}),
		mapping("roles", later, "Roles that exist already.", []key{
			role("instance", "Role of the instances."),
			role("eksService", "Role of the EKS cluster."),
		}),
	}
}

func clusterKeys() []key {
	return []key{
		text("instanceType", now, "Instance type.").or("t3.micro").
			matching(`^[a-z][a-z0-9-]{0,20}\.[a-z0-9-]{1,20}$`, "an instance type such as t3.micro or m7i-flex.large"),
		text("imageId", now, "Image of the instances; the newest Amazon ECS-optimised one by default.").
			matching(`^ami-[A-Za-z0-9]+$`, "an id such as ami-0a1b2c3d"),
		text("osType", now, "Operating system of the instances.").oneOf("amazon").orLater("centos7", "windows").or("amazon"),
		text("instanceTenancy", now, "Tenancy of the VPC.").oneOf("default", "dedicated").or("default"),
		number("desiredCapacity", now, 0, 5000, "Instances to start with; 1, or what minSize and maxSize allow."),
		number("minSize", now, 0, 5000, "Fewest instances; 1, or desiredCapacity when that is less."),
		number("maxSize", now, 0, 5000, "Most instances; 2, or what minSize and desiredCapacity ask for."),
		text("keyName", now, "EC2 key pair put on the instances.").upTo(255),
		text("sshAllow", later, "Addresses allowed to reach port 22.").
			because("no port is opened for SSH; Session Manager reaches the instances without one"),
		number("targetCPUReservation", now, 1, 100, "Percentage of CPU reserved that scaling aims at.").or("75"),
		number("targetMemoryReservation", now, 1, 100, "Percentage of memory reserved that scaling aims at.").or("75"),
		text("httpProxy", later, "HTTP proxy of the instances."),
		text("extraUserData", now, "Shell text run when an instance starts.").upTo(maxUserData),
	}
}

func serviceKeys() []key {
	return []key{
		name("name", "Name of the service; the folder's name by default."),
		text("deploymentStrategy", now, "How tasks are replaced: blue_green starts all new ones first, rolling half at a time, replace stops the old ones first.").
			oneOf(StrategyBlueGreen, StrategyRolling, StrategyReplace).or(StrategyBlueGreen),
		number("desiredCount", now, 0, 5000, "Tasks to run; 2, or what minSize and maxSize allow."),
		number("minSize", now, 0, 5000, "Fewest tasks when scaling; 1, or desiredCount when that is less."),
		number("maxSize", now, 0, 5000, "Most tasks when scaling; 2, or what minSize and desiredCount ask for."),
		text("dockerfile", now, "Dockerfile of the image, relative to the manifest.").or("Dockerfile"),
		text("imageRepository", now, "Image to run as it is, instead of building one.").
			matching(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`, "an image reference such as nginx:1.29"),
		number("port", now, 1, 65535, "Port the container listens on.").or("8080"),
		text("protocol", now, "Protocol towards the container, also for health checks.").oneOf("HTTP", "HTTPS").inAnyCase().or("HTTP"),
		text("healthEndpoint", now, "Path of the health check; it must answer 200 to 299.").or("/health").
			matching(`^/[!-~]*$`, "a path that begins with / and has no spaces").upTo(1024),
		number("cpu", now, 1, 196608, "CPU units, 1024 to a vCPU. Fargate rounds up to a task size.").or("10"),
		number("memory", now, 6, 0, "Memory limit in MiB. Fargate rounds up to a task size.").or("300"),
		text("networkMode", now, "Network mode of the containers. Fargate always uses awsvpc.").
			oneOf("none", "bridge", "host", "awsvpc").or("bridge"),
		yesno("assignPublicIp", now, "Give tasks of network mode awsvpc a public address.").or("false"),
		textsIn("links", later, "Docker links."),
		open("environment", now, variableName(), key{shape: perEnvShape, state: now},
			"Environment variables: one value, or one for each environment."),
		list("pathPatterns", now, pathPattern(), "Paths that the load balancer routes to the service.").upTo(maxConditions),
		list("hostPatterns", now, hostPattern(), "Host names that the load balancer routes to the service.").upTo(maxConditions),
		number("priority", now, 1, 49999, "Priority of the listener rule for paths; hosts use the next one."),
		number("targetCPUUtilization", now, 1, 100, "Percentage of CPU that scaling aims at.").or("75"),
		text("discoveryTTL", later, "TTL of the service discovery records."),
		list("schedules", later, mapping("", now, "", []key{
			text("name", now, "Name of the schedule."),
			text("expression", now, "cron(…) or rate(…)."),
			texts("command", "Command of the task."),
		}), "Commands run on a schedule."),
		mapping("roles", later, "Roles that exist already.", []key{
			role("ec2Instance", "Instance profile of ec2 services."),
			role("codeDeploy", "Role of CodeDeploy."),
			role("ecsEvents", "Role of schedules."),
			role("ecsService", "Role of the ECS service."),
			role("ecsTask", "Role of the tasks."),
			role("applicationAutoScaling", "Role of scaling."),
		}),
		mapping("pipeline", later, "The continuous delivery pipeline.", pipelineKeys()),
		mapping("database", later, "The database of the service.", append(databaseKeys(),
			open("environmentConfig", now, key{}, mapping("", now, "", databaseKeys()), "Settings for one environment."))),
	}
}

func pipelineKeys() []key {
	return []key{
		mapping("catalog", now, "Pipeline of the catalog to use.", []key{
			text("name", now, "Name of the product."),
			text("version", now, "Version of the product."),
		}),
		mapping("source", now, "Where the source comes from.", []key{
			text("provider", now, "Kind of repository.").oneOf("GitHub", "CodeCommit", "S3"),
			text("repo", now, "The repository."),
			text("branch", now, "The branch."),
		}),
		mapping("build", now, "The build stage.", append(buildKeys(),
			yesno("disabled", now, "Leave the stage out."),
			text("bucket", now, "Bucket of revisions."),
			text("timeout", now, "Minutes."))),
		mapping("acceptance", now, "The acceptance stage.", append(buildKeys(), stageKeys()...)),
		mapping("production", now, "The production stage.", stageKeys()),
		text("muBaseurl", now, "Where the tool is downloaded from."),
		text("muVersion", now, "Version of the tool in the pipeline."),
		text("kmsKey", now, "Key of the artifacts."),
		mapping("roles", now, "Roles that exist already.", []key{
			role("pipeline", "Role of the pipeline."),
			role("build", "Role of the builds."),
		}),
		text("bucket", now, "Bucket of artifacts."),
		texts("notify", "E-mail addresses to notify."),
	}
}

func buildKeys() []key {
	return []key{
		text("type", now, "CodeBuild environment type."),
		text("computeType", now, "CodeBuild compute type."),
		text("image", now, "Build image."),
	}
}

func stageKeys() []key {
	return []key{
		yesno("disabled", now, "Leave the stage out."),
		text("environment", now, "Environment to deploy to."),
		mapping("roles", now, "Roles that exist already.", []key{
			role("codeBuild", "Role of the deploy project."),
			role("mu", "Role assumed to deploy."),
		}),
		text("timeout", now, "Minutes."),
	}
}

func databaseKeys() []key {
	return []key{
		text("name", now, "Name of the database."),
		text("engine", now, "Database engine."),
		text("engineMode", now, "Engine mode."),
		text("instanceClass", now, "Instance class."),
		text("allocatedStorage", now, "Storage in GB."),
		text("masterUsername", now, "Name of the master user."),
		yesno("iamAuthentication", now, "Sign in with IAM."),
		text("kmsKey", now, "Key that encrypts the storage."),
		text("minSize", now, "Least capacity."),
		text("maxSize", now, "Most capacity."),
		text("secondsUntilAutoPause", now, "Idle seconds before a pause.").alias("autoPauseSeconds"),
		text("masterPasswordSSMParam", now, "SSM parameter with the master password."),
	}
}
