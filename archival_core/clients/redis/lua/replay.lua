-- Moves entries of the dead stream back into the event stream as they came, each in one step: whoever is killed, or does the same at the
-- same time, neither loses an entry nor doubles it. The ids of what was moved are told. KEYS: the dead stream and the event stream, on one
-- server. ARGV 1: how many names follow, of fields that burying has added; then these names, then the ids.
local added, moved = {}, {}
local names = tonumber(ARGV[1])
for i = 2, names + 1 do
  added[ARGV[i]] = true
end
for i = names + 2, #ARGV do
  local entry = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
  if entry then
    local fields = {}
    for n = 1, #entry[2], 2 do
      if not added[entry[2][n]] then
        table.insert(fields, entry[2][n])
        table.insert(fields, entry[2][n + 1])
      end
    end
    redis.call('XADD', KEYS[2], '*', unpack(fields))
    redis.call('XDEL', KEYS[1], ARGV[i])
    table.insert(moved, ARGV[i])
  end
end
return moved
