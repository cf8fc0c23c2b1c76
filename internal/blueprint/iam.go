package blueprint

import (
	"regexp"
)

// iamCommon is the role CloudFormation deploys the other stacks with. All of
// the namespace needs it, so it is protected.
func (r *renderer) iamCommon() draft {
	namespace := r.manifest.Namespace
	return draft{
		kind:  KindIAMCommon,
		name:  r.name(KindIAMCommon),
		asset: "iam-common",
		parameters: []Parameter{
			param("Namespace", namespace),
			param("CloudFormationRoleName", roleName(namespace, "cloudformation", "common")),
			param("RoleNamePrefix", rolePrefix(namespace)),
		},
		tags:      r.tags(KindIAMCommon),
		protected: true,
	}
}

func (r *renderer) iamEnvironment() draft {
	namespace, env := r.manifest.Namespace, r.environment.Name
	return draft{
		kind:  KindIAMEnvironment,
		name:  r.name(KindIAMEnvironment, env),
		asset: "iam-environment",
		parameters: []Parameter{
			param("Namespace", namespace),
			param("EnvironmentName", env),
			param("Provider", r.provider),
			param("EC2RoleName", roleName(namespace, "environment", env, "instance")),
		},
		tags: r.environmentTags(KindIAMEnvironment),
	}
}

func (r *renderer) iamService() draft {
	namespace, env, service := r.manifest.Namespace, r.environment.Name, r.service.Name
	return draft{
		kind:  KindIAMService,
		name:  r.name(KindIAMService, service, env),
		asset: "iam-service",
		parameters: []Parameter{
			param("Namespace", namespace),
			param("EnvironmentName", env),
			param("ServiceName", service),
			param("EcsTaskRoleName", roleName(namespace, "service", service, env, "task")),
			param("EcsExecutionRoleName", roleName(namespace, "service", service, env, "execution")),
			param("RepoName", RepoName(namespace, service)),
			param("ImageRepositoryArn", repositoryARN(r.service.ImageRepository)),
		},
		tags:   r.serviceTags(KindIAMService),
		policy: true,
	}
}

// An ECR image is <account>.dkr.ecr.<region>.<suffix>/<repository>[:tag][@digest].
var ecrImage = regexp.MustCompile(`^(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.([a-z0-9.-]+)/([^:@]+)`)

// repositoryARN is the ECR repository of an image, or empty when the image
// comes from elsewhere.
func repositoryARN(image string) string {
	parts := ecrImage.FindStringSubmatch(image)
	if parts == nil {
		return ""
	}
	partition := "aws"
	if parts[3] == "amazonaws.com.cn" {
		partition = "aws-cn"
	} else if len(parts[2]) > 7 && parts[2][:7] == "us-gov-" {
		partition = "aws-us-gov"
	}
	return "arn:" + partition + ":ecr:" + parts[2] + ":" + parts[1] + ":repository/" + parts[4]
}
