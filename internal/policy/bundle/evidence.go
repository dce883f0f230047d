package bundle

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"newsletter/internal/local/samtemplate"
	"newsletter/shared/journal"
)

// anchorBucket keeps the anchors of the ledger.
const anchorBucket = "AnchorBucket"

// keepers are the functions that use the database as the role keeper.
var keepers = []string{"maintain", "operate"}

// checkEvidence checks that anchors are written once and kept: their bucket is retained, versioned and locked; its policy
// refuses a write that could replace an object, and deletions by maintain; and only maintain's role may write it, and only
// that and operate's may list it. Only these roles may sign in as keeper, who seals the ledger. And the bucket of the suppression journal deletes an entry
// when a folder does.
func (b *bundle) checkEvidence(s *Stack) []string {
	var problems problems
	resource, properties := mapping(s.Resources[anchorBucket]), s.properties(anchorBucket)
	if resource["DeletionPolicy"] != "Retain" || resource["UpdateReplacePolicy"] != "Retain" ||
		mapping(properties["VersioningConfiguration"])["Status"] != "Enabled" || properties["ObjectLockEnabled"] != true ||
		len(mapping(mapping(properties["ObjectLockConfiguration"])["Rule"])) == 0 {
		problems.add("template.yaml: %s must be retained, versioned and locked: anchors are the proof of the ledger", anchorBucket)
	}
	rules := list(mapping(s.properties("JournalBucket")["LifecycleConfiguration"])["Rules"])
	if len(rules) == 0 || fmt.Sprint(mapping(rules[0])["ExpirationInDays"]) != strconv.Itoa(journal.RetentionDays) {
		problems.add("template.yaml: JournalBucket must delete entries after %d days: shared/journal.RetentionDays", journal.RetentionDays)
	}
	denied := map[string]bool{}
	for _, id := range s.ids("AWS::S3::BucketPolicy") {
		if s.properties(id)["Bucket"] != "<"+anchorBucket+">" {
			continue
		}
		for _, statement := range list(mapping(s.properties(id)["PolicyDocument"])["Statement"]) {
			m := mapping(statement)
			if m["Effect"] != "Deny" || !reflect.DeepEqual(texts(m["Resource"]), []string{"<" + anchorBucket + ".Arn>/*"}) {
				continue
			}
			for _, action := range texts(m["Action"]) {
				denied[fmt.Sprint(action, " ", m["Principal"], " ", m["Condition"])] = true
			}
		}
	}
	for _, want := range []string{
		"s3:PutObject * map[Null:map[s3:if-none-match:true]]", "s3:DeleteObject map[AWS:<MaintainRole.Arn>] <nil>",
		"s3:DeleteObjectVersion map[AWS:<MaintainRole.Arn>] <nil>", "s3:BypassGovernanceRetention map[AWS:<MaintainRole.Arn>] <nil>",
	} {
		if !denied[want] {
			problems.add("template.yaml: the policy of %s must deny %s", anchorBucket, want)
		}
	}
	for _, name := range sortedKeys(b.Functions) {
		allowed := s.allowed(roleOf(name), &problems)
		for _, action := range sortedKeys(allowed) {
			resources := allowed[action]
			if slices.Contains(samtemplate.References(resources), anchorBucket) && (name != "maintain" || action != "s3:PutObject") && (!slices.Contains(keepers, name) || action != "s3:ListBucket") {
				problems.add("template.yaml: %s may not have %s on %s", roleOf(name), action, anchorBucket)
			}
			keeper := slices.ContainsFunc(resources, func(r string) bool { return strings.HasSuffix(r, "/keeper") })
			if keeper && !slices.Contains(keepers, name) {
				problems.add("template.yaml: %s may not sign in as keeper, who seals the ledger", roleOf(name))
			}
		}
		if slices.Contains(s.secretsOf(functionID(name)), "KeeperSecret") && !slices.Contains(keepers, name) && name != "migrate" {
			problems.add("template.yaml: functions/%s may not have KeeperSecret: only maintain and operate sign in as keeper, and migrate sets the password", name)
		}
	}
	return problems
}
