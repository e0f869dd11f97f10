# Heads are signed by a key that signs nothing else: whoever can write to the bucket still can't forge a head.
resource "aws_kms_key" "heads" {
  #checkov:skip=CKV_AWS_7:KMS rotates no asymmetric key
  count = var.heads.sign ? 1 : 0

  description              = "Signs the heads of the audit trail"
  customer_master_key_spec = "ECC_NIST_P256"
  key_usage                = "SIGN_VERIFY"
  deletion_window_in_days  = 30
  policy                   = data.aws_iam_policy_document.signing_key.json
  tags                     = var.tags
}

data "aws_iam_policy_document" "signing_key" {
  #checkov:skip=CKV_AWS_356:in the policy of a key, * is the key itself
  #checkov:skip=CKV_AWS_111:in the policy of a key, * is the key itself
  #checkov:skip=CKV_AWS_109:in the policy of a key, * is the key itself
  statement {
    sid       = "AccountDecides"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${var.account_id}:root"]
    }
  }

  statement {
    sid       = "DenyOtherSigners"
    effect    = "Deny"
    actions   = ["kms:Sign"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = local.principals[local.head_writer_name]
    }
  }

  # Without its key nobody can verify a head that outlasts it.
  dynamic "statement" {
    for_each = var.bucket.lock_mode == "COMPLIANCE" ? ["DenyDeletion"] : []
    content {
      sid       = statement.value
      effect    = "Deny"
      actions   = ["kms:DisableKey", "kms:ScheduleKeyDeletion"]
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
    }
  }
}
