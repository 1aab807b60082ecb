package main

const (
	tokenObserve     = "controllers/accesstoken/observe.go"
	tokenCredentials = "controllers/accesstoken/credentials.go"
	tokenLifetime    = "controllers/accesstoken/lifetime.go"
	grantSelection   = "controllers/desired/grants.go"
	grantObjects     = "controllers/desired/token.go"
	databaseGrants   = "controllers/lifecycle/grants.go"
)

// tokens: what an AccessToken gives, to whom, and until when.
var tokens = []safeguard{
	{name: "that a token's proof is of the file in force", file: tokenCredentials, test: "TestNoSwitchBeforeProof",
		old: `if out.Revision == s.users.Revision && out.Revision != "" {`, new: "if true {"},
	{name: "that a secret moves to another target after proof", file: tokenCredentials, test: "TestSecretFollowsItsTarget",
		old: "|| s.moving() {", new: "|| s.moving() && false {"},
	{name: "that the secret ends with the token", file: tokenCredentials, test: "TestSecretFollowsItsTarget",
		old: "out.NotAfter = end", new: "_ = end"},
	{name: "that a lifetime does not begin again", file: tokenLifetime, test: "TestFromWhenALifetimeCounts",
		old: "case have.unmistakable && have.lifetime == want.lifetime && have.renewed == want.renewed:", new: "case false:"},
	{name: "that a start in the future is not believed", file: tokenLifetime, test: "TestFromWhenALifetimeCounts",
		old: "err == nil && !from.After(now.Add(skew))", new: "err == nil"},
	{name: "that the grant's token lives", file: databaseGrants, test: "TestGrantLives",
		old: "string(token.UID) == grant.Annotations[v1alpha1.AnnotationTokenUID] && token.DeletionTimestamp == nil &&", new: "true &&"},
	{name: "that the grant's token names the database", file: databaseGrants, test: "TestGrantLives",
		old: "token.Spec.TargetRef.Name == s.object.GetName() && token.TargetNamespace() == s.object.GetNamespace() {", new: "true {"},
	{name: "that the grant's token names the kind", file: databaseGrants, test: "TestGrantLives",
		old: "string(token.Spec.TargetRef.Kind) == s.r.Kind.Name &&", new: "true &&"},
	{name: "that no database is given rules for jobs", file: grantObjects, test: "TestJobsOfTokens",
		old: "acl.File{Version: kind.UsersVersion,", new: "acl.File{Version: acl.FileVersion,"},
	{name: "that no member is given a users file that it does not read", file: databaseGrants, test: "TestUsersVersion",
		old: "version = min(version, max(m.Status.Credentials.FileVersion, 1))", new: "_ = m"},
	{name: "that a grant is of the token that it names", file: grantObjects, test: "TestGrantsAreWhatTheySay",
		old: "if s.Name != GrantSecret(s.Labels[v1alpha1.LabelInstance], token) || g.User.Name != TokenUser(token, s.Namespace) {", new: `if token.Name == "\x00" {`},
	{name: "that a token of elsewhere names pods of its own namespace only", file: grantSelection, test: "TestTokensPeersStayAtHome",
		old: "if p.NamespaceSelector != nil {", new: "if false {"},
	{name: "that a peer of elsewhere is pinned to its namespace", file: grantSelection, test: "TestTokensPeersStayAtHome",
		old: "peer.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: t.Namespace}}", new: "_ = corev1.LabelMetadataName"},
	{name: "that a bad selector does not reach the policy", file: grantSelection, test: "TestGrantsAreWhatTheySay",
		old: "if len(errs) > 0 {", new: "if false {"},
	{name: "the bound on tokens", file: grantSelection, test: "TestGrantsFit",
		old: "if len(out) == MaxGrants || size > MaxGrantBytes {", new: "if false {"},
	{name: "that the database's own namespace comes first", file: grantSelection, test: "TestGrantsFit",
		old: "compareBool(foreign(&a), foreign(&b))", new: "0"},
	{name: "the consent of the target", file: tokenObserve, test: "TestConsent",
		old: "if s.token.Namespace == s.target.GetNamespace() || s.target.InstanceSpec().AllowedNamespaces.From == v1alpha1.NamespacesAll {", new: "if true {"},
	{name: "that a namespace's labels are asked for", file: tokenObserve, test: "TestConsent",
		old: "case namespace == nil || !selector.Matches(labels.Set(namespace.Labels)):", new: "case namespace == nil || selector.Matches(labels.Set(namespace.Labels)) && false:"},
	{name: "that one secret is one token's", file: tokenObserve, test: "TestClaim",
		old: "if holder.UID == s.token.UID {", new: "if true {"},
}
