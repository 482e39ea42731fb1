// What a supervisor or a proxy asks: is the process alive, and can it serve.
#pragma once

#include "handler.h"
#include "message.h"

namespace opsadmin {

Reply alive();
Reply ready(Api& api);

}  // namespace opsadmin
