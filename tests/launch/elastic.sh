#!/usr/bin/env bash
# scripts/launch/ingot-elastic against a stand-in for mpirun, which fails as it is told and writes down how
# it was called: which hosts and ranks it starts with, when it goes on, and when it gives up.
set -u
script=$(cd "$(dirname "$0")/../.." && pwd)/scripts/launch/ingot-elastic
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export INGOT_ELASTIC_PAUSE=0
failed=0

# The stand-in takes line k of `plan` in its k-th call: an exit code, then what it does before.
cat >mpirun <<'END'
#!/usr/bin/env bash
echo "$*" >>calls
n=$(wc -l <calls)
line=$(sed -n "${n}p" plan)
mkdir -p run
eval "${line#* }"
exit "${line%% *}"
END
cat >probe <<'END'
#!/usr/bin/env bash
[ ! -e "dead-$1" ]
END
chmod +x mpirun probe

# expect NAME CODE CALLS: how the script ended, and the stand-in's calls, a line each.
expect() {
  if [ "$code" != "$2" ] || [ "$(cat calls 2>/dev/null)" != "$3" ]; then
    printf 'FAIL %s: exit %s, expected %s; calls:\n%s\nexpected:\n%s\n' \
      "$1" "$code" "$2" "$(cat calls 2>/dev/null)" "$3"
    sed 's/^/  /' log
    failed=1
  fi
  rm -rf calls plan run dead-*
}
elastic() {
  timeout 60 "$script" --mpirun ./mpirun --probe ./probe --ingot ingot "$@" >log 2>&1
  code=$?
}

printf '0 true\n' >plan
elastic --hosts a:2,b:2 -- train --out run --model m
expect "all goes well" 0 "-n 4 --host a:2,b:2 ingot train --out run --model m"

printf '137 touch run/latest.h5 dead-b\n0 true\n' >plan
elastic --hosts a:2,b:2 -- train --out run --overwrite
expect "a host is lost: from the checkpoint, without it" 0 \
  "-n 4 --host a:2,b:2 ingot train --out run --overwrite
-n 2 --host a:2 ingot train --out run --resume"

printf '137 touch run/latest.h5 dead-c\n3 echo more >run/latest.h5; rm dead-c\n0 true\n' >plan
elastic --hosts a:3,b:3,c:3 -- train --out=run --elastic=8
expect "shards keep the ranks a power of two, and a host comes back" 0 \
  "-n 8 --host a:3,b:3,c:3 ingot train --out=run --elastic=8
-n 4 --host a:3,b:3 ingot train --out=run --elastic=8 --resume
-n 8 --host a:3,b:3,c:3 ingot train --out=run --elastic=8 --resume"

printf '2 true\n' >plan
elastic --hosts a:1 -- train --out run --no-such-option
expect "a wrong option is not tried again" 2 "-n 1 --host a:1 ingot train --out run --no-such-option"

printf '3 true\n3 true\n3 true\n' >plan
elastic --hosts a:1 --restarts 2 -- train --out run
expect "no progress" 3 "-n 1 --host a:1 ingot train --out run
-n 1 --host a:1 ingot train --out run"
printf '3 touch dead-b\n' >plan
elastic --hosts a:1,b:1 --min-ranks 2 -- train --out run
expect "too few are left" 3 "-n 2 --host a:1,b:1 ingot train --out run"

for arguments in "-- train --out run" "--hosts a -- train --out run" "--hosts a:1 -- eval" \
  "--hosts a:1 -- train" "--hosts -- train --out run" "--hosts a:1" "--hostfile none -- train --out run" \
  "--nodes a:1 -- train --out run" "--hosts a:1 --min-ranks x -- train --out run"; do
  # shellcheck disable=SC2086
  elastic $arguments
  [ "$(wc -l <log)" -eq 1 ] || { echo "FAIL $arguments: not one line"; cat log; failed=1; }
  expect "$arguments" 2 ""
done

# A signal is passed on, and nothing starts again.
printf '143 trap "exit 143" TERM; touch begun; sleep 30 & wait\n' >plan
"$script" --mpirun ./mpirun --probe ./probe --hosts a:1 -- train --out run >log 2>&1 &
script_id=$!
for _ in $(seq 200); do [ -e begun ] && break; sleep 0.05; done
kill -TERM $script_id
wait $script_id
code=$?
expect "a signal" 143 "-n 1 --host a:1 ingot train --out run"
exit $failed
