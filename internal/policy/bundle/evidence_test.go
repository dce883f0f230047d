package bundle

import "testing"

func TestUnprotectedEvidenceIsReported(t *testing.T) {
	t.Parallel()
	const (
		locked  = "must be retained, versioned and locked"
		deletes = "[s3:DeleteObject, s3:DeleteObjectVersion, s3:BypassGovernanceRetention]"
		journal = "!Sub ${JournalBucket.Arn}/journal/v1/*"
	)
	checkChanges(t, map[string]change{
		"not locked":               {"      ObjectLockEnabled: true\n", "", locked},
		"no retention":             {"        Rule: {DefaultRetention: {Mode: GOVERNANCE, Years: 10}}\n", "", locked},
		"the journal is kept":      {"ExpirationInDays: 365, ", "ExpirationInDays: 3650, ", "JournalBucket must delete entries after 365 days"},
		"anchors may be replaced":  {`{"s3:if-none-match": "true"}`, `{"s3:if-none-match": "false"}`, "must deny s3:PutObject"},
		"some may be replaced":     {"            Resource: !Sub ${AnchorBucket.Arn}/*\n            Condition:", "            Resource: !Sub ${AnchorBucket.Arn}/other/*\n            Condition:", "must deny s3:PutObject"},
		"anchors may be deleted":   {deletes, "[s3:DeleteObjectVersion, s3:BypassGovernanceRetention]", "must deny s3:DeleteObject"},
		"versions may be deleted":  {deletes, "[s3:DeleteObject, s3:BypassGovernanceRetention]", "must deny s3:DeleteObjectVersion"},
		"the lock may be bypassed": {deletes, "[s3:DeleteObject, s3:DeleteObjectVersion]", "must deny s3:BypassGovernanceRetention"},
		"another role is denied":   {"Principal: {AWS: !GetAtt MaintainRole.Arn}", "Principal: {AWS: !GetAtt DeliverRole.Arn}", "must deny s3:DeleteObject"},
		"deliver may anchor":       {journal, "!Sub ${AnchorBucket.Arn}/journal/v1/*", "DeliverRole may not have s3:PutObject on AnchorBucket"},
		"maintain may delete":      {"                Action: s3:PutObject\n                Resource: !Sub ${AnchorBucket.Arn}", "                Action: s3:DeleteObject\n                Resource: !Sub ${AnchorBucket.Arn}", "MaintainRole may not have s3:DeleteObject on AnchorBucket"},
		"subscribe signs in":       {"dbuser:${DatabaseIamResource}/${AppDatabaseUser}", "dbuser:${DatabaseIamResource}/keeper", "SubscribeRole may not sign in as keeper"},
		"privacy has the password": {"              - !Ref PrivacyKeysSecret\n              - !Ref OutboxKeysSecret", "              - !Ref PrivacyKeysSecret\n              - !Ref KeeperSecret", "functions/privacy may not have KeeperSecret"},
	})
}
