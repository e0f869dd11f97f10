#!/usr/bin/env bash
# Deploys the spoke root of one environment to every account of a CSV, each with a state of its own:
#
#   scripts/deploy_spokes.sh plan|apply|destroy dev|prod [ACCOUNTS.csv]
#
# The CSV (environments/<env>/spoke/accounts.csv) has a header and the account id in its first column.
# An accounts/<account id>.tfvars beside the root, where there is one, holds what is different there.
# PARALLEL accounts (default 4) at once; one that fails stops no other, and is named at the end.
set -euo pipefail

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[[ $# -ge 2 && $1 =~ ^(plan|apply|destroy)$ ]] || usage

action=$1 environment=$2
root=$(cd "$(dirname "$0")/../environments/$environment/spoke" 2>/dev/null && pwd) || usage
accounts=$(realpath "${3:-$root/accounts.csv}")
[[ -f $accounts ]] || { echo "no $accounts: copy $root/accounts.csv.example" >&2; exit 2; }
[[ -f $root/backend.hcl ]] || { echo "no $root/backend.hcl: copy backend.hcl.example" >&2; exit 2; }

deploy() {
  local account=$1 arguments=(-input=false -no-color "-var=account_id=$1")
  [[ $action == plan ]] || arguments+=(-auto-approve)
  [[ -f accounts/$account.tfvars ]] && arguments+=("-var-file=accounts/$account.tfvars")
  export TF_DATA_DIR=$root/.terraform/accounts/$account TF_IN_AUTOMATION=1
  mkdir -p "$TF_DATA_DIR"
  {
    terraform init -input=false -no-color -lockfile=readonly -reconfigure "-plugin-dir=$plugins" \
      -backend-config=backend.hcl "-backend-config=key=finops/$environment/spoke/$account.tfstate" &&
      terraform "$action" "${arguments[@]}"
  } >"$TF_DATA_DIR/$action.log" 2>&1 && echo "$account ok" && return
  echo "$account FAILED, see $TF_DATA_DIR/$action.log"
  return 1
}
export -f deploy
plugins=$root/.terraform/accounts/lock/providers
export action environment root plugins

ids=$(tail -n +2 "$accounts" | tr -d '\r" ' | cut -d, -f1 | grep . | sort -u)
if bad=$(grep -vxE '[0-9]{12}' <<<"$ids"); then
  echo "not an account id of 12 digits: ${bad//$'\n'/ }" >&2
  exit 2
fi

cd "$root"
# The lock file is written once, here, and the provider's 675 MB are fetched once: accounts only link to them.
TF_DATA_DIR=$root/.terraform/accounts/lock terraform init -backend=false -input=false >/dev/null
xargs -P "${PARALLEL:-4}" -I '{}' bash -c 'deploy {}' <<<"$ids" || exit 1
