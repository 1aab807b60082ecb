--[[
  A push to a queue, in the shape that the scripts of job libraries have: many
  functions, of which few are called, options that come packed, and commands
  with most of their arguments constant.

  KEYS: wait, paused, meta, id, completed, delayed, active, events, marker
  ARGV: {prefix, id, name, time, parent} and {option = value}, packed; the data
]]
local waiting = KEYS[1]
local meta = KEYS[3]
local active = KEYS[7]
local events = KEYS[8]
local call = redis.call
local args = cmsgpack.unpack(ARGV[1])
local data = ARGV[2]
local opts = cmsgpack.unpack(ARGV[3])
local parent = args[5]
local id, key

local function mark(marker, held)
  if not held then
    call("ZADD", marker, 0, "0")
  end
end

local function enqueue(list, marker, command, held, id)
  call(command, list, id)
  mark(marker, held)
end

local function nextDelayed(delayed)
  local result = call("ZRANGE", delayed, 0, 0, "WITHSCORES")
  if #result > 0 then
    local at = tonumber(result[2])
    if at ~= nil then
      return at / 0x1000
    end
  end
end

local function markDelayed(marker, delayed)
  local at = nextDelayed(delayed)
  if at ~= nil then
    call("ZADD", marker, at, "1")
  end
end

local function score(delayed, time, delay)
  local at = (delay > 0 and (tonumber(time) + delay)) or tonumber(time)
  local least = at * 0x1000
  local most = (at + 1) * 0x1000 - 1
  local result = call("ZREVRANGEBYSCORE", delayed, most, least, "WITHSCORES", "LIMIT", 0, 1)
  local taken = tonumber(result[2] or "none")
  if taken ~= nil then
    return taken >= most and most or taken + 1, at
  end
  return least, at
end

local function delayJob(id, delayed, time, limit, marker, delay)
  local score, at = score(delayed, time, tonumber(delay))
  call("ZADD", delayed, score, id)
  call("XADD", events, "MAXLEN", "~", limit, "*", "event", "delayed", "jobId", id, "delay", at)
  markDelayed(marker, delayed)
end

local function contains(list, wanted)
  for _, v in pairs(list) do
    if v == wanted then
      return true
    end
  end
  return false
end

local function unique(options, id, limit)
  local name = options and options["id"]
  if not name then
    return
  end
  local holder = call("GET", args[1] .. "unique:" .. name)
  if not holder then
    call("SET", args[1] .. "unique:" .. name, id)
  elseif contains(call("LRANGE", active, 0, -1), holder) then
    call("XADD", events, "MAXLEN", "~", limit, "*", "event", "repeated", "jobId", holder, "of", name)
    return holder
  end
end

local function eventLimit()
  local limit = call("HGET", meta, "opts.maxLenEvents")
  if not limit then
    limit = 10000
    call("HSET", meta, "opts.maxLenEvents", limit)
  end
  return limit
end

local function held()
  local attributes = call("HMGET", meta, "paused", "concurrency")
  if attributes[1] then
    return true
  elseif attributes[2] then
    return call("LLEN", active) >= tonumber(attributes[2])
  end
  return false
end

local function store(key, id, name, data, opts, time)
  local text = cjson.encode(opts)
  local delay = opts["delay"] or 0
  local priority = opts["priority"] or 0
  local more = {}
  if parent ~= nil then
    table.insert(more, "parent")
    table.insert(more, parent)
  end
  if opts["de"] then
    table.insert(more, "unique")
    table.insert(more, opts["de"]["id"])
  end
  call("HMSET", key, "name", name, "data", data, "opts", text, "timestamp", time, "delay", delay, "priority", priority, unpack(more))
  call("XADD", events, "*", "event", "added", "jobId", id, "name", name)
  return delay, priority
end

local counter = call("INCR", KEYS[4])
local limit = eventLimit()
local time = args[4]
if args[2] == "" then
  id = counter .. ""
  key = args[1] .. id
else
  id = args[2]
  key = args[1] .. id
  if call("EXISTS", key) == 1 then
    return id .. ""
  end
end
local other = unique(opts["de"], id, limit)
if other then
  return other
end
local delay = store(key, id, args[3], data, opts, time)
if delay ~= 0 then
  delayJob(id, KEYS[6], time, limit, KEYS[9], delay)
  return id
end
enqueue(waiting, KEYS[9], opts["lifo"] and "RPUSH" or "LPUSH", held(), id)
call("XADD", events, "MAXLEN", "~", limit, "*", "event", "waiting", "jobId", id)
return id
