%% Asked of a server that somebody else runs, by rabbitmqctl eval. It changes
%% nothing there. The answer is one binary of name=value.
Try = fun(F, Else) -> try F() catch _:_ -> Else end end,
Text = fun(T) -> [C || C <- lists:flatten(io_lib:format("~w", [T])), C =/= $\s, C =/= $", C =/= $\\, C =/= $'] end,
Line = fun(Pairs) -> iolist_to_binary([[atom_to_list(K), $=, V, $\s] || {K, V} <- Pairs]) end,
Name = fun(Q) -> element(4, amqqueue:get_name(Q)) end,
Begins = fun(N, P) -> byte_size(N) >= byte_size(P) andalso binary:part(N, 0, byte_size(P)) =:= P end,
With = fun(P) -> lists:sort(fun(A, B) -> Name(A) =< Name(B) end, [Q || Q <- rabbit_amqqueue:list(Vhost), Begins(Name(Q), P)]) end,
Queues = fun() -> case With(<<Objects/binary, ".">>) of [] -> With(Objects); Qs -> Qs end end,
IsQuorum = fun(Q) -> amqqueue:get_type(Q) =:= rabbit_quorum_queue end,
RaName = fun(Q) -> element(1, amqqueue:get_pid(Q)) end,
Leader = fun(Q) ->
    case IsQuorum(Q) of
        true -> case ra_leaderboard:lookup_leader(RaName(Q)) of {_, N} -> N; _ -> undefined end;
        false -> node(amqqueue:get_pid(Q))
    end
end,
Term = fun(Q) ->
    Try(fun() -> maps:get(term, ra:key_metrics({RaName(Q), node()})) end,
        Try(fun() -> element(2, hd(ets:lookup(ra_metrics, amqqueue:get_name(Q)))) end, 0)) % before 4.0
end,
State = fun(Q) -> Try(fun() -> element(2, hd(ets:lookup(ra_state, RaName(Q)))) end, none) end,
Members = fun(Q) -> Try(fun() -> M = maps:get(nodes, amqqueue:get_type_state(Q)), case is_map(M) of true -> maps:keys(M); false -> M end end, []) end,
Role = fun() ->
    case Try(fun() -> rabbit_boot_state:get() =:= ready end, false) andalso Try(fun() -> {ok, Queues()} end, none) of
        {ok, [Q | _]} ->
            T = case IsQuorum(Q) of true -> Term(Q); false -> 0 end,
            [{ready, "true"}, {leader, Text(Try(fun() -> Leader(Q) end, undefined))}, {self, Text(node())}, {term, Text(T)}];
        {ok, []} -> [{ready, "true"}, {leader, "none"}, {self, Text(node())}, {term, "0"}];
        _ -> [{ready, "false"}]
    end
end,
Changed = fun Changed(_, 0) -> Line(Role()); Changed(Last, N) ->
    case Line(Role()) of Last -> timer:sleep(50), Changed(Last, N - 1); Now -> Now end
end,
Unacked = fun(Q) ->
    case IsQuorum(Q) of
        true ->
            case ra:local_query({RaName(Q), Leader(Q)}, fun rabbit_fifo:query_messages_checked_out/1, 250) of
                {ok, {_, M}, _} when is_map(M) -> map_size(M);
                {ok, {_, N}, _} when is_integer(N) -> N
            end;
        false -> [{_, N}] = rabbit_amqqueue:info(Q, [messages_unacknowledged]), N
    end
end,
Amiss = fun(Q) ->
    case IsQuorum(Q) andalso lists:member(node(), Members(Q)) of
        true -> case lists:member(State(Q), [leader, follower]) andalso Leader(Q) =/= undefined of true -> []; false -> [State(Q)] end;
        false -> []
    end
end,
Running = fun() -> Try(fun() -> rabbit_nodes:list_running() end, Try(fun() -> rabbit_nodes:all_running() end, [])) end,
All = fun() -> Try(fun() -> rabbit_nodes:list_members() end, Try(fun() -> rabbit_nodes:all() end, [])) end,
Health = fun() ->
    Qs = Queues(),
    [{missing, Text(All() -- Running())},
     {partitions, Text(length(rabbit_node_monitor:partitions()))},
     {down, Text(length([Q || Q <- rabbit_amqqueue:list_down(Vhost), Begins(Name(Q), Objects)]))},
     {amiss, Text(lists:append([Try(fun() -> Amiss(Q) end, [unknown]) || Q <- Qs]))},
     {unacked, Text(lists:sum([Unacked(Q) || Q <- Qs]))}]
end,
Env = fun(K) -> Text(application:get_env(rabbit, K, undefined)) end,
Settings = fun() ->
    {ok, V} = application:get_key(rabbit, vsn),
    [{version, V},
     {members, Text(length(All()))}, {running, Text(length(Running()))},
     {partition_handling, Env(cluster_partition_handling)},
     {group, case [length(Members(Q)) || Q <- Queues(), IsQuorum(Q)] of [] -> Env(quorum_cluster_size); L -> Text(lists:min(L)) end},
     {disk_free_limit, Text(Try(fun() -> rabbit_disk_monitor:get_disk_free_limit() end, undefined))},
     {disk_free, Text(Try(fun() -> rabbit_disk_monitor:get_disk_free() end, undefined))},
     {ticktime, Text(Try(fun() -> case net_kernel:get_net_ticktime() of {_, N} -> N; N -> N end end, undefined))},
     {alarms, Text(Try(fun() -> rabbit_alarm:get_alarms() end, []))}]
end,
Owned = fun(P) -> [{queue, [C || <<C>> <= Name(Q)]} || Q <- With(P), re:run(Name(Q), "^[a-z0-9_.]+$") =/= nomatch] end,
