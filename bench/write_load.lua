-- sysbench's oltp_write_only until the file --stop-file appears. sysbench can be stopped by a
-- clock only, and its final report, histogram included, should cover just the work beside it.

require("oltp_write_only")

sysbench.cmdline.options.stop_file = {"File whose appearance ends the run", ""}

local write = event

function event(thread_id)
   write(thread_id)
   local stop = io.open(sysbench.opt.stop_file, "r")
   if stop ~= nil then
      stop:close()
      return true
   end
end
