-- Remember what users were shown and saw: of each request once, however often it is told, newest last.
-- KEYS one a user, each msgpack: {moment up to which nothing is taken, {{request, time, items, seen}, ...}}
-- ARGV 1 places kept of a user 2 seconds to live 3 msgpack: for each key what is told of the user, shaped alike;
--      time 0: an impression, whose page may not have come yet
local places, told = tonumber(ARGV[1]), cmsgpack.unpack(ARGV[3])

local function moment(showing)
  return showing[2] ~= 0 and showing[2] or showing[4][1] or 0
end

-- The page says what stood on it; what only impressions told of is as long as they make it.
local function merge(one, other)
  if one[2] == 0 and other[2] ~= 0 then one, other = other, one end
  local at, items, seen = {}, one[3], one[4]
  for i = 1, #items do at[items[i]] = i end
  for i = 1, #other[3] do
    local item, there = other[3][i], at[other[3][i]]
    if there then
      seen[there] = math.max(seen[there], other[4][i])
    elseif one[2] == 0 then
      items[#items + 1], seen[#seen + 1], at[item] = item, other[4][i], #items + 1
    end
  end
  return one
end

local function take(known, showing)
  for i = #known, 1, -1 do
    if known[i][1] == showing[1] then
      known[i] = merge(known[i], showing)
      return
    end
  end
  local place = #known
  while place > 0 and moment(known[place]) > moment(showing) do place = place - 1 end
  table.insert(known, place + 1, showing)
end

for i = 1, #KEYS do
  local raw = redis.call('GET', KEYS[i])
  local mine = raw and cmsgpack.unpack(raw) or {0, {}}
  for _, showing in ipairs(told[i]) do
    if moment(showing) > mine[1] then take(mine[2], showing) end
  end
  local count = 0
  for _, showing in ipairs(mine[2]) do count = count + #showing[3] end
  while count > places do count = count - #table.remove(mine[2], 1)[3] end
  redis.call('SET', KEYS[i], cmsgpack.pack(mine), 'EX', ARGV[2])
end
return 'OK'
