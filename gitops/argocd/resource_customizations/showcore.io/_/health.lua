-- Health of a ShowCore store, by its conditions. The same for every kind.
local hs = { status = "Progressing", message = "Waiting for the operator to look at it" }
local metadata = obj.metadata
local status = obj.status or {}

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local function is(type, value)
  return conditions[type] ~= nil and conditions[type].status == value
end
local function told(type)
  return conditions[type].reason .. ": " .. conditions[type].message
end
local function add(type)
  hs.message = hs.message .. ". " .. told(type)
end
-- That a store is not encrypted is said beside whatever else is wrong, unless that is what is wrong.
local function add_not_encrypted()
  local stalled = conditions["Stalled"]
  if is("Encrypted", "False") and (stalled == nil or stalled.reason ~= conditions["Encrypted"].reason) then
    add("Encrypted")
  end
end

if metadata.annotations ~= nil and metadata.annotations["showcore.io/paused"] == "true" then
  hs.status = "Suspended"
  hs.message = "The annotation showcore.io/paused is true: nothing is written to AWS"
  -- A pause does not make well what is ill.
  if is("Stalled", "True") then
    add("Stalled")
  end
  add_not_encrypted()
  return hs
end

if status.conditions == nil then
  return hs
end
if metadata.generation ~= nil and status.observedGeneration ~= metadata.generation then
  hs.message = "Waiting for the operator to look at the changed spec"
  return hs
end

-- A person must act, or a deletion is held.
if is("Stalled", "True") then
  hs.status = "Degraded"
  hs.message = told("Stalled")
  add_not_encrypted()
  return hs
end
if is("Encrypted", "False") then
  hs.status = "Degraded"
  hs.message = told("Encrypted")
  return hs
end
if is("Reconciling", "True") then
  hs.message = told("Reconciling")
  -- What is about to be taken over says how to prevent it.
  if is("Pending", "True") then
    add("Pending")
  end
  return hs
end
-- The status of a pause that has just ended: what was held back is still to be done. A sync must not go on as if it were.
if is("Pending", "True") and conditions["Pending"].reason == "Paused" then
  hs.message = "Waiting for the operator to go on after the pause"
  return hs
end
if is("Ready", "True") then
  hs.status = "Healthy"
  hs.message = conditions["Ready"].message
  -- What waits for a window or is only reported does not make a store ill; it should be seen.
  if is("Pending", "True") then
    add("Pending")
  end
  if is("Drifted", "True") then
    add("Drifted")
  end
  return hs
end
if is("Ready", "False") then
  hs.status = "Degraded"
  hs.message = told("Ready")
end
return hs
