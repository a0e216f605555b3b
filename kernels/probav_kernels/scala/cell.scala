// Runs a cell for Python: output goes to a file as it is printed, and the thread is known, so that it can be stopped.
class ProbavCell extends java.util.function.BiFunction[AnyRef, AnyRef, AnyRef] {
  @volatile private var running: Thread = null

  def apply(interpreter: AnyRef, request: AnyRef): AnyRef = {
    val repl = interpreter.asInstanceOf[scala.tools.nsc.interpreter.IMain]
    val Array(code, path) = request.asInstanceOf[Array[AnyRef]].map(_.toString)
    val out = new java.io.PrintStream(new java.io.FileOutputStream(path, true), true, "UTF-8")
    val (before, errors) = (System.out, System.err)
    val loader = Thread.currentThread.getContextClassLoader
    running = Thread.currentThread
    System.setOut(out)
    try {
      Thread.currentThread.setContextClassLoader(repl.classLoader)
      Console.withOut(out)(Console.withErr(out)(repl.interpret(code))).toString
    } catch {
      case _: ThreadDeath => "Interrupted"
    } finally {
      running = null
      System.setOut(before)
      Thread.currentThread.setContextClassLoader(loader)
      out.close()
    }
  }

  def busy(): Boolean = running != null

  def interrupt(): Boolean = { val thread = running; if (thread != null) thread.interrupt(); thread != null }

  // for code that listens to nothing: its thread ends; newer Java refuses, and a compiler at work is left alone
  def kill(): String = {
    val thread = running
    try {
      if (thread != null && thread.getStackTrace.exists(_.getClassName.startsWith("$line")))
        classOf[Thread].getMethod("stop").invoke(thread)
      ""
    } catch { case error: Throwable => error.toString }
  }

  // what Python asks of the session finds the cells' classes: Py4J's threads, and those that they will start
  def adopt(interpreter: AnyRef): Unit = {
    import scala.collection.JavaConverters._
    val loader = interpreter.asInstanceOf[scala.tools.nsc.interpreter.IMain].classLoader
    for ((thread, stack) <- Thread.getAllStackTraces.asScala if stack.exists(_.getClassName.startsWith("py4j.")))
      thread.setContextClassLoader(loader)
  }

  // what a value is to Python: a kind, and what carries it
  def out(value: Any): Array[AnyRef] = {
    import scala.collection.JavaConverters._
    def bytes(count: Int)(fill: java.nio.ByteBuffer => Unit): Array[Byte] = {
      val buffer = java.nio.ByteBuffer.allocate(count).order(java.nio.ByteOrder.LITTLE_ENDIAN)
      fill(buffer)
      buffer.array
    }
    def java_(item: Any): AnyRef = item match {
      case map: scala.collection.Map[_, _] => map.map { case (k, v) => (java_(k), java_(v)) }.asJava
      case items: scala.collection.Iterable[_] => items.map(java_).toList.asJava
      case items: Array[_] => items.map(java_(_)).toList.asJava
      case option: Option[_] => option.map(java_).orNull
      case product: Product if product.productArity > 0 => product.productIterator.map(java_).toList.asJava
      case other => other.asInstanceOf[AnyRef]
    }
    value match {
      case null => Array("none", null)
      case data: org.apache.spark.sql.Dataset[_] => Array("frame", data.toDF())
      case a: Array[Double] => Array("<f8", bytes(8 * a.length)(_.asDoubleBuffer.put(a)))
      case a: Array[Float] => Array("<f4", bytes(4 * a.length)(_.asFloatBuffer.put(a)))
      case a: Array[Long] => Array("<i8", bytes(8 * a.length)(_.asLongBuffer.put(a)))
      case a: Array[Int] => Array("<i4", bytes(4 * a.length)(_.asIntBuffer.put(a)))
      case a: Array[Short] => Array("<i2", bytes(2 * a.length)(_.asShortBuffer.put(a)))
      case a: Array[Byte] => Array("bytes", a)
      case image: java.awt.image.RenderedImage =>
        val data = new java.io.ByteArrayOutputStream
        javax.imageio.ImageIO.write(image, "png", data)
        Array("png", data.toByteArray)
      case _: String | _: Boolean | _: Double | _: Float | _: Int | _: Long | _: Short | _: Byte =>
        Array("plain", value.asInstanceOf[AnyRef])
      case _: scala.collection.Iterable[_] | _: Array[_] | _: Option[_] | _: Product =>
        Array("java", java_(value))
      case other => Array("other", other.getClass.getName)
    }
  }

  def doubles(data: Array[Byte]): Array[Double] = {
    val buffer = java.nio.ByteBuffer.wrap(data).order(java.nio.ByteOrder.LITTLE_ENDIAN).asDoubleBuffer
    val found = new Array[Double](buffer.remaining)
    buffer.get(found)
    found
  }

  def longs(data: Array[Byte]): Array[Long] = {
    val buffer = java.nio.ByteBuffer.wrap(data).order(java.nio.ByteOrder.LITTLE_ENDIAN).asLongBuffer
    val found = new Array[Long](buffer.remaining)
    buffer.get(found)
    found
  }
}
