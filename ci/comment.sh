#!/usr/bin/env bash
# Puts a summary of runs onto a pull request of GitHub, in place of the one that was there:
#   comment.sh SUMMARY [NAME]
# NAME tells several of a pull request apart. The environment has GITHUB_REPOSITORY, PULL_REQUEST and GH_TOKEN, which
# may write there; one from a fork may not, and that is a warning alone.
set -euo pipefail
summary=$1
name=${2:-}
mark="<!-- aftershock ${name//[^a-zA-Z0-9_.-]/-} -->"
body=$(mktemp)
trap 'rm -f "$body"' EXIT
most=65000 # GitHub takes 65,536 characters
{
	printf '%s\n' "$mark"
	if [ "$(wc -c <"$summary")" -gt "$most" ]; then
		printf 'The summary is too long for a comment; it is in the job.\n'
	else
		cat "$summary"
	fi
} >"$body"
comments=repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments
write() {
	local old
	old=$(gh api --paginate "$comments" --jq ".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$mark\"))) | .id") || return
	old=${old%%$'\n'*}
	if [ -n "$old" ]; then
		gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$old" -F "body=@$body"
	else
		gh api --silent --method POST "$comments" -F "body=@$body"
	fi
}
write || echo "::warning title=Aftershock::the pull request has no comment: the job's token may not write there (permissions: pull-requests: write)"
