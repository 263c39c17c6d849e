# Pretended hosts for tests and benchmarks of several machines: network namespaces on one machine, joined
# by a bridge, each behind a link of limited rate. Sourced first thing by a bash script, which is run
# again inside namespaces of its own, so that nothing is left behind and root is not needed where user
# namespaces are allowed; where they are not, says so and exits with 77 (a skipped test).
#   hosts_begin COUNT RATE    e.g. 2 1gbit; host k (from 1) has address 10.77.0.k
#   on HOST COMMAND...        runs there (in the background with &)
#   hosts_cut HOST            its link is down from now on
if [ "${IG_HOSTS:-}" != inside ]; then
  for tool in ip tc unshare nsenter; do
    command -v $tool >/dev/null || { echo "SKIPPED: there is no '$tool' (iproute2, util-linux)"; exit 77; }
  done
  as_root=--map-root-user
  [ "$(id -u)" -eq 0 ] && as_root=
  # shellcheck disable=SC2086
  unshare $as_root --net true 2>/dev/null ||
    { echo "SKIPPED: this machine allows no network namespaces"; exit 77; }
  # shellcheck disable=SC2086
  IG_HOSTS=inside exec unshare $as_root --net "$BASH" "$0" "$@"
fi

hosts_pids=()

hosts_begin() {
  local count=$1 rate=$2 k
  ip link set lo up
  ip link add hosts type bridge && ip link set hosts up || exit 1
  for ((k = 1; k <= count; k++)); do
    unshare --net sleep 100000 &
    hosts_pids[k]=$!
    # Until the child has left this namespace.
    while [ "$(readlink /proc/$!/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
    ip link add "to$k" type veth peer name eth0 netns "${hosts_pids[k]}" || exit 1
    ip link set "to$k" master hosts up
    on $k ip link set lo up
    on $k ip link set eth0 up
    on $k ip address add "10.77.0.$k/24" dev eth0
    # Both directions: what leaves the host, and what the bridge sends to it.
    on $k tc qdisc add dev eth0 root tbf rate "$rate" burst 128kb latency 100ms ||
      { echo "SKIPPED: this kernel has no token bucket filter"; exit 77; }
    tc qdisc add dev "to$k" root tbf rate "$rate" burst 128kb latency 100ms
  done
  # shellcheck disable=SC2064
  trap "kill ${hosts_pids[*]} 2>/dev/null" EXIT
}

on() { nsenter --target "${hosts_pids[$1]}" --net -- "${@:2}"; }

hosts_cut() { ip link set "to$1" down; }
