%% Answers the harness's questions inside a node: the same facts that
%% rabbitmqctl tells, without its second of start-up. Each line received is a
%% question; each answer is one line of name=value.
%% Evaluated before the server boots, and so also where a joining node waits.
Try = fun(F, Else) -> try F() catch _:_ -> Else end end,
Text = fun(T) -> lists:flatten(io_lib:format("~w", [T])) end,
Line = fun(Pairs) -> [lists:join($\s, [[atom_to_list(K), $=, V] || {K, V} <- Pairs]), $\n] end,

Ready = fun() -> whereis(rabbit) =/= undefined andalso Try(fun() -> rabbit_boot_state:get() =:= ready end, false) end,

Queues = fun() ->
    lists:sort(fun(A, B) -> amqqueue:get_name(A) =< amqqueue:get_name(B) end, rabbit_amqqueue:list(<<"/">>))
end,
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
        Try(fun() -> element(2, hd(ets:lookup(ra_metrics, RaName(Q)))) end, 0))
end,
State = fun(Q) -> Try(fun() -> element(2, hd(ets:lookup(ra_state, RaName(Q)))) end, none) end,

%% role: whether the node serves, who leads the first queue, in which term.
Role = fun() ->
    case Ready() andalso Try(fun() -> {ok, Queues()} end, none) of
        {ok, [Q | _]} ->
            L = Try(fun() -> Leader(Q) end, undefined),
            T = case IsQuorum(Q) of true -> Term(Q); false -> 0 end,
            [{ready, "true"}, {leader, Text(L)}, {self, Text(node())}, {term, Text(T)}];
        {ok, []} -> [{ready, "true"}, {leader, "none"}, {self, Text(node())}, {term, "0"}];
        _ -> [{ready, "false"}]
    end
end,

Unacked = fun(Q) ->
    case IsQuorum(Q) of
        true ->
            case ra:local_query({RaName(Q), Leader(Q)}, fun rabbit_fifo:query_messages_checked_out/1, 250) of
                {ok, {_, M}, _} when is_map(M) -> map_size(M);
                {ok, {_, N}, _} when is_integer(N) -> N
            end;
        false ->
            [{_, N}] = rabbit_amqqueue:info(Q, [messages_unacknowledged]),
            N
    end
end,
%% What is amiss with a queue, as a list of words.
Amiss = fun(Q) ->
    State(Q) =:= none andalso IsQuorum(Q) andalso throw(no_member),
    case IsQuorum(Q) of
        true ->
            case lists:member(State(Q), [leader, follower]) andalso Leader(Q) =/= undefined of
                true -> ok;
                false -> throw(State(Q))
            end;
        false -> ok
    end
end,
Mirrors = fun(Q) -> Try(fun() -> {length(amqqueue:get_slave_pids(Q)), length(amqqueue:get_sync_slave_pids(Q))} end, {0, 0}) end,
Running = fun() -> length(Try(fun() -> rabbit_nodes:list_running() end, Try(fun() -> rabbit_nodes:all_running() end, []))) end,

%% health: what the settled cluster must agree on.
Health = fun() ->
    Qs = Queues(),
    Bad = [Try(fun() -> try Amiss(Q), [] catch throw:W -> [W] end end, [unknown]) || Q <- Qs],
    Ms = [Mirrors(Q) || Q <- Qs, not IsQuorum(Q)],
    Least = fun([]) -> 0; (L) -> lists:min(L) end,
    [{nodes, Text(Running())},
     {partitions, Text(length(rabbit_node_monitor:partitions()))},
     {queues, Text(length(Qs))},
     {down, Text(length(rabbit_amqqueue:list_down(<<"/">>)))},
     {amiss, Text(lists:append(Bad))},
     {mirrors, Text(Least([M || {M, _} <- Ms]))},
     {synced, Text(Least([S || {_, S} <- Ms]))},
     {unacked, Text(lists:sum([Unacked(Q) || Q <- Qs]))}]
end,
%% The Erlang nodes that RabbitMQ starts beside this one (4.0 asks the others through
%% one before it joins) would otherwise take this one's name and evaluate this.
os:unsetenv("ERL_AFLAGS"),

Version = fun() -> {ok, V} = application:get_key(rabbit, vsn), V end,
Mirror = fun(Promote, Sync) ->
    rabbit_policy:set(<<"/">>, <<"mirrored">>, <<".*">>,
        [{<<"ha-mode">>, <<"all">>}, {<<"ha-promote-on-failure">>, list_to_binary(Promote)}, {<<"ha-sync-mode">>, list_to_binary(Sync)}],
        0, <<"queues">>, <<"aftershock">>)
end,
%% forget: rabbitmqctl forget_cluster_node, of a node that is down. One that is none of
%% the cluster's is forgotten already.
Forget = fun(Node) ->
    Forgot = case erlang:function_exported(rabbit_db_cluster, forget_member, 2) of
        true -> rabbit_db_cluster:forget_member(Node, false);
        false -> rabbit_mnesia:forget_cluster_node(Node, false)
    end,
    case Forgot of
        {error, {not_a_cluster_node, _}} -> ok;
        ok -> rabbit_quorum_queue:shrink_all(Node), ok
    end
end,
%% grow: rabbitmq-queues grow NODE all. A queue that has a member there already is done.
Grow = fun(Node) ->
    case [E || {_, {error, _, E}} <- rabbit_quorum_queue:grow(Node, <<".*">>, <<".*">>, all), E =/= already_a_member] of
        [] -> ok;
        Errors -> Errors
    end
end,

Answer = fun(Question) ->
    case string:lexemes(Question, " \r\n") of
        ["role"] -> Role();
        ["health"] -> case Role() of [{ready, "false"}] = R -> R; R -> R ++ Health() end;
        ["version"] -> case Ready() of true -> [{ready, "true"}, {version, Version()}]; false -> [{ready, "false"}] end;
        ["forget", Node] -> [{result, Text(Forget(list_to_atom(Node)))}];
        ["grow", Node] -> [{result, Text(Grow(list_to_atom(Node)))}];
        ["mirror", Promote, Sync] -> [{result, Text(Mirror(Promote, Sync))}];
        _ -> [{error, "question"}]
    end
end,
Serve = fun Serve(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Question} ->
            Reply = try Answer(Question) catch C:E -> [{error, re:replace(Text({C, E}), "\\s", "", [global, {return, list}])}] end,
            case gen_tcp:send(Socket, Line(Reply)) of ok -> Serve(Socket); _ -> gen_tcp:close(Socket) end;
        _ -> gen_tcp:close(Socket)
    end
end,
Accept = fun Accept(Listening) ->
    {ok, Socket} = gen_tcp:accept(Listening),
    Pid = spawn(fun() -> receive go -> Serve(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    Accept(Listening)
end,
spawn(fun() ->
    {ok, Listening} = gen_tcp:listen(5679, [list, {packet, line}, {active, false}, {reuseaddr, true}, {nodelay, true}]),
    Accept(Listening)
end),

%% The boot looks into every module of every application that RabbitMQ needs.
%% Loading them all first, each from its known place, saves the fifty thousand
%% look-ups that the code server makes in the folders of plugins.
Needs = fun Needs(App, Known) ->
    case lists:member(App, Known) of
        true -> Known;
        false ->
            Ebin = Try(fun() -> code:lib_dir(App, ebin) end, "."),
            Props = Try(fun() -> {ok, [{_, _, P}]} = file:consult(filename:join(Ebin, atom_to_list(App) ++ ".app")), P end, []),
            lists:foldl(Needs, [App | Known], proplists:get_value(applications, Props, []))
    end
end,
Load = fun(Ebin, Beam) ->
    Module = list_to_atom(filename:basename(Beam, ".beam")),
    Path = filename:join(Ebin, Beam),
    erlang:module_loaded(Module) orelse Try(fun() ->
        {ok, Binary} = prim_file:read_file(Path),
        code:load_binary(Module, Path, Binary)
    end, none)
end,
lists:foreach(fun(App) ->
    Ebin = Try(fun() -> code:lib_dir(App, ebin) end, "."),
    {ok, Files} = Try(fun() -> {ok, _} = prim_file:list_dir(Ebin) end, {ok, []}),
    [Load(Ebin, F) || F <- Files, filename:extension(F) =:= ".beam"]
end, Needs(rabbit, [kernel, stdlib, compiler])),

%% A node that joins boots when the first node has booted: were it earlier, it
%% would boot by itself.
Ask = fun(Host) ->
    {ok, S} = gen_tcp:connect(Host, 5679, [list, {packet, line}, {active, false}], 500),
    ok = gen_tcp:send(S, "version\n"),
    {ok, "ready=true" ++ _} = gen_tcp:recv(S, 0, 500),
    gen_tcp:close(S)
end,
Wait = fun Wait(_, 0) -> too_long; Wait(Host, N) ->
    case Try(fun() -> Ask(Host) end, no) of
        ok -> ok;
        no -> timer:sleep(25), Wait(Host, N - 1)
    end
end,
case os:getenv("AFTERSHOCK_JOIN", "") of
    "" -> ok;
    Host -> Wait(Host, 2400)
end.
