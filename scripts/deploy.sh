#!/usr/bin/env bash
# Runs Terraform on one deployment on AWS, and asks before it changes anything:
#
#   scripts/deploy.sh plan|apply|destroy dev/management [TERRAFORM ARGUMENTS...]
#
# `make plan` and `make apply` build the Lambda packages first. For all spoke accounts at once: deploy_spokes.sh.
set -euo pipefail

usage() { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[[ $# -ge 2 && $1 =~ ^(plan|apply|destroy)$ ]] || usage

action=$1 name=$2
shift 2
root=$(cd "$(dirname "$0")/../environments/$name" 2>/dev/null && pwd) || usage
[[ -f $root/backend.hcl ]] || {
  echo "no $root/backend.hcl: copy backend.hcl.example there, and name your bucket in it" >&2
  exit 2
}
init=(-input=false -backend-config=backend.hcl)
# The root of payers goes to several accounts, each with a state of its own, and no state is moved from one to the next.
# In the other roots another backend is a mistake or a move, of which Terraform asks.
[[ $name == */payer ]] && init+=(-reconfigure)
terraform -chdir="$root" init "${init[@]}"
exec terraform -chdir="$root" "$action" "$@"
