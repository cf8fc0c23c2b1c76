package blueprint

// repo is the image repository of the service. Every environment pulls from it.
func (r *renderer) repo() draft {
	return draft{
		kind:       KindRepo,
		name:       r.name(KindRepo, r.service.Name),
		asset:      "repo",
		parameters: []Parameter{param("RepoName", RepoName(r.manifest.Namespace, r.service.Name))},
		tags: r.tags(KindRepo,
			Tag{"service", r.service.Name},
			Tag{"revision", r.facts.Revision},
			Tag{"repo", r.repoTag(KindRepo)}),
	}
}

func (r *renderer) bucket(purpose string) draft {
	return draft{
		kind:  KindBucket,
		name:  r.name(KindBucket, purpose),
		asset: "bucket",
		parameters: []Parameter{
			param("Namespace", r.manifest.Namespace),
			param("BucketPrefix", purpose),
		},
		tags: r.tags(KindBucket),
	}
}
