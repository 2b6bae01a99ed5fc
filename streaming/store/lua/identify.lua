-- Make ids those of a user, once: their histories become one, newest first, and what they were shown is deleted. A user
-- without attributes gets those of the first id that has some.
-- KEYS 1 watermarks 2 user by id 3 ids by user 4 attributes by user 5 users, all with one score
--      6 history of the user 7.. of each id: history, slates shown
-- ARGV 1 field of the watermark 2 offset of the order 3 seconds a history lives 4 entries kept 5 user
--      6 msgpack: {ids, ids to forget} 7 beat that must be there
-- Returns the beat, -1 when this Redis went back behind the one expected: then nothing is written.
local beat = tonumber(redis.call('HGET', KEYS[1], 'beat') or '0')
if beat < tonumber(ARGV[7]) then return -1 end
local passed = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1')
if tonumber(ARGV[2]) <= passed then return beat end
local cap, user, told = tonumber(ARGV[4]), ARGV[5], cmsgpack.unpack(ARGV[6])

local function time(entry) return tonumber(string.match(entry, '^%S+ (%S+)')) end

-- Each of the two keeps its own order. Of entries with the same time, those of the first count as newer.
local function merged(one, other)
  local found, i, j = {}, 1, 1
  while (one[i] or other[j]) and #found < cap do
    if not other[j] or (one[i] and time(one[i]) >= time(other[j])) then
      found[#found + 1], i = one[i], i + 1
    else
      found[#found + 1], j = other[j], j + 1
    end
  end
  return found
end

local function ids_of(owner)
  local raw = redis.call('HGET', KEYS[3], owner)
  return raw and cmsgpack.unpack(raw) or {}
end

local function keep_ids(owner, ids)
  if #ids > 0 then redis.call('HSET', KEYS[3], owner, cmsgpack.pack(ids)) else redis.call('HDEL', KEYS[3], owner) end
end

for _, id in ipairs(told[2]) do
  local owner = redis.call('HGET', KEYS[2], id)
  if owner then
    local kept = {}
    for _, each in ipairs(ids_of(owner)) do if each ~= id then kept[#kept + 1] = each end end
    keep_ids(owner, kept)
    redis.call('HDEL', KEYS[2], id)
  end
end

local history, changed = redis.call('LRANGE', KEYS[6], 0, cap - 1), false
local ids, known = ids_of(user), {}
for _, each in ipairs(ids) do known[each] = true end
redis.call('HDEL', KEYS[2], user)
for at, id in ipairs(told[1]) do
  local place = 5 + 2 * at
  local other = redis.call('LRANGE', KEYS[place], 0, cap - 1)
  if #other > 0 then history, changed = merged(history, other), true end
  redis.call('UNLINK', KEYS[place], KEYS[place + 1])
  local attributes = redis.call('HGET', KEYS[4], id)
  if attributes then
    redis.call('HSETNX', KEYS[4], user, attributes)
    redis.call('HDEL', KEYS[4], id)
  end
  redis.call('ZREM', KEYS[5], id)
  redis.call('HDEL', KEYS[3], id)
  redis.call('HSET', KEYS[2], id, user)
  if not known[id] then ids[#ids + 1], known[id] = id, true end
end
keep_ids(user, ids)
if changed then
  redis.call('DEL', KEYS[6])
  redis.call('RPUSH', KEYS[6], unpack(history))
  redis.call('EXPIRE', KEYS[6], ARGV[3])
end
if #history > 0 or redis.call('HEXISTS', KEYS[4], user) == 1 then redis.call('ZADD', KEYS[5], 0, user) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local now = redis.call('TIME')
beat = math.max(beat + 1, now[1] * 1000 + math.floor(now[2] / 1000))
redis.call('HSET', KEYS[1], 'beat', string.format('%.0f', beat))
return beat
