#!/usr/bin/env bash
# Runs plans in a job of a CI server and says what came of them in the server's own words. action.yml and
# ci/gitlab.yml call it; what to do is in variables, of which only PLANS has to be set:
#   AFTERSHOCK    the program                         (aftershock)
#   PLANS         plans, with blanks between them; patterns such as plans/*.yaml are expanded
#   OUT           the folder of runs                  (aftershock-runs)
#   HOST SHARD RETRIES TIMEOUT SEED SET               as run's --host, --shard, --retry-unknown, --timeout, --seed; SET is one --set a line
#   FAIL_FAST     true: the first run that does not hold is the last
#   STRICT        true: what is unknown fails, too, and so do plans that claim nothing
#   BASE REPEAT TOLERANCE                             as run's --base, --repeat, --tolerance
#   SITE          a folder for the site of all runs; empty: none
# It ends with 0 if nothing failed, 1 if a claim is violated, 2 if something is unknown (on GitHub that is a warning
# and 0), 3 for wrong input and 4 where the infrastructure failed.
set -euo pipefail

AFTERSHOCK=${AFTERSHOCK:-aftershock}
OUT=${OUT:-aftershock-runs}
if [ -z "${PLANS:-}" ]; then
	echo "name the plans to run, such as plans/*.yaml" >&2
	exit 3
fi
mkdir -p "$OUT"
begun=$(mktemp)
results=$OUT/results.json
summary=$OUT/summary.md
trap 'rm -f "$begun"' EXIT

# say tells the server something. What it is about comes after it, escaped as GitHub's runner wants it.
say() {
	local text=$3
	if [ -n "${GITHUB_ACTIONS:-}" ]; then
		text=${text//'%'/'%25'} text=${text//$'\r'/'%0D'} text=${text//$'\n'/'%0A'}
		echo "::$1 title=$2::$text"
	else
		echo "$2: $text" >&2
	fi
}

# hush has GitHub's runner take nothing that is printed for a command of its own, whatever is in it, until heard.
hush() {
	[ -n "${GITHUB_ACTIONS:-}" ] || return 0
	token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	echo "::stop-commands::$token"
}
heard() {
	[ -n "${GITHUB_ACTIONS:-}" ] || return 0
	echo "::$token::"
}

arguments() {
	args=(run --out "$OUT" --format json)
	[ -z "${HOST:-}" ] || args+=(--host "$HOST")
	[ -z "${SHARD:-}" ] || args+=(--shard "$SHARD")
	[ -z "${RETRIES:-}" ] || args+=(--retry-unknown "$RETRIES")
	[ -z "${TIMEOUT:-}" ] || args+=(--timeout "$TIMEOUT")
	[ -z "${SEED:-}" ] || args+=(--seed "$SEED")
	[ -z "${BASE:-}" ] || args+=(--base "$BASE")
	[ -z "${REPEAT:-}" ] || args+=(--repeat "$REPEAT")
	[ -z "${TOLERANCE:-}" ] || args+=(--tolerance "$TOLERANCE")
	[ "${FAIL_FAST:-}" != true ] || args+=(--fail-fast)
	[ "${STRICT:-}" != true ] || args+=(--strict)
	local set
	while IFS= read -r set; do
		[ -z "$set" ] || args+=(--set "$set")
	done <<<"${SET:-}"
	# shellcheck disable=SC2206 # several words, and patterns
	args+=(-- $PLANS)
}

# report writes what people and the server read, from what the runs came to.
report() {
	local told=0
	hush
	"$AFTERSHOCK" report "$results" || told=$?
	heard
	[ "$told" = 0 ] &&
		"$AFTERSHOCK" report "$results" --format junit >"$OUT/junit.xml" &&
		GITHUB_STEP_SUMMARY='' "$AFTERSHOCK" report "$results" --format github >>"$summary" &&
		if [ -n "${GITHUB_ACTIONS:-}" ]; then "$AFTERSHOCK" report "$results" --format github; fi &&
		if [ -n "${GITLAB_CI:-}" ]; then "$AFTERSHOCK" report "$results" --format gitlab >"$OUT/gl-code-quality-report.json"; fi
}

# compared tells of each group that ran against a base whether it differs from that.
compared() {
	[ -n "${BASE:-}" ] || return 0
	local group
	while IFS= read -r group; do
		"$AFTERSHOCK" compare "$group" --format markdown ${TOLERANCE:+--tolerance "$TOLERANCE"} || [ $? = 1 ]
	done < <(find "$OUT" -maxdepth 1 -name '*-group' -newer "$begun")
}

arguments
code=0
hush
echo "${AFTERSHOCK##*/} ${args[*]}"
"$AFTERSHOCK" "${args[@]}" >"$results" || code=$?
heard
compared >"$summary" || say warning Aftershock "base and head could not be compared"
if [ -s "$summary" ] && [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
	cat "$summary" >>"$GITHUB_STEP_SUMMARY"
fi
if [ -s "$results" ]; then
	report || say warning Aftershock "the runs' results could not be told; they are in $OUT"
fi
if [ -n "${SITE:-}" ]; then
	"$AFTERSHOCK" site "$OUT" --output "$SITE" || say warning Aftershock "the site could not be made"
fi

case $code in
0) verdict=holds ;;
1) verdict=violated ;;
2) verdict=unknown ;;
*) verdict=failed ;;
esac
if [ -n "${GITHUB_OUTPUT:-}" ]; then
	printf '%s\n' "verdict=$verdict" "code=$code" "runs=$OUT" "summary=$summary" >>"$GITHUB_OUTPUT"
fi
case $code in
1) say error Aftershock "a claim is violated, or something is worse than on the base" ;;
2)
	say warning Aftershock "something is unknown: nothing is proven"
	if [ "${STRICT:-}" = true ]; then
		code=1
	elif [ -n "${GITHUB_ACTIONS:-}" ]; then
		code=0
	fi
	;;
3) say error Aftershock "the input is wrong; see the log" ;;
4) say error Aftershock "the infrastructure failed; see the log, and \`aftershock doctor\`" ;;
esac
exit "$code"
